"""The `celery.py` of a Django project whose settings give Django a pool. A worker imports this module."""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.durable_tasks.django_settings_with_pool"

from tests.durable_tasks.shop_with_django import app


@app.task(name="shop.session")
def session() -> int:
    """The process of the server that serves Django's connection."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]
