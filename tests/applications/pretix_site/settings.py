"""The settings that a deployment of pretix adds, so that pretix creates a durable Celery application."""
# ruff: noqa: F403

import os
from functools import partial
from typing import Any

import celery

from processing_queue.celery import DurableCelery

celery.Celery = partial(DurableCelery, transaction="django:default")  # type: ignore[misc]

from pretix.settings import *  # noqa: E402


class WithoutMigrations(dict[str, Any]):
    """Makes Django create the tables directly from the models. Hundreds of migrations would take minutes."""

    def __contains__(self, app: object) -> bool:
        return True

    def __missing__(self, app: str) -> None:
        return None


MIGRATION_MODULES = WithoutMigrations()
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["MAILS"]
