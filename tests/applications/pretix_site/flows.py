"""For FLOW_MODULES: the settings come before pretix makes its application."""
# ruff: noqa: F401, I001

from tests.applications.pretix_site import settings
from pretix.celery_app import app
