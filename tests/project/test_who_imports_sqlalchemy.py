"""Only the modules that are about SQLAlchemy import it. All other modules can be imported without SQLAlchemy. So
workers, typed payloads, `queuectl import` and most other commands do not need SQLAlchemy."""

import os
import subprocess
import sys

ABOUT_SQLALCHEMY = {
    "processing_queue.django.testing",
    "processing_queue.testing",
    "queue_store.database.alembic_filter",
    "queue_store.database.held_with_sqlalchemy",
    "queue_store.database.sqlalchemy_engine",
    "queue_store.database.tables",
    "queue_store.migrations",
}
PROGRAM = """
import sys
sys.modules["sqlalchemy"] = None  # each import of it fails

import importlib, pkgutil
import django
from django.conf import settings
import processing_queue, queue_store

apps = ["contenttypes", "auth", "messages", "admin"]
settings.configure(INSTALLED_APPS=[f"django.contrib.{app}" for app in apps] + ["processing_queue.django"])
django.setup()
for package in (queue_store, processing_queue):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: None):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if "sqlalchemy" not in str(error):
                raise
            print(module.name)
"""


def test_only_what_is_about_sqlalchemy_imports_it() -> None:
    ends = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"DATABASE_URL": "postgresql://nobody@nowhere/db"},
    )
    assert ends.returncode == 0, ends.stderr
    assert set(ends.stdout.split()) == ABOUT_SQLALCHEMY
