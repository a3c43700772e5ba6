"""FLOW_MODULES names this module, which imports the settings before pretix creates its Celery application."""
# ruff: noqa: F401, I001

from tests.applications.pretix_site import settings
from pretix.celery_app import app
