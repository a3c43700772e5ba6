"""The `celery.py` of a Django project, which itself names the project's settings. A worker imports this module."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.durable_tasks.django_settings")

from tasks.celery import DurableCelery

app = DurableCelery("shop", transaction="django:default")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(name="shop.is_connected")
def is_connected() -> bool:
    """Whether Django's connection was open when the task began. Opens it."""
    from django.db import connection

    was_open = connection.connection is not None
    connection.ensure_connection()
    return was_open


@app.task(name="shop.leave_open")
def leave_open() -> None:
    from django.db import transaction

    transaction.set_autocommit(False)
    is_connected()


@app.task(name="shop.insert")
def insert() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (number) VALUES (1)")
