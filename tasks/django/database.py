"""The queue's database as Django knows it: by an alias of DATABASES."""

from typing import Any

from django.db import connections


def driver_connection(alias: str) -> Any:
    """The connection of psycopg 3 beneath Django's, in whatever transaction Django has open. Raises Django's
    TransactionManagementError where that transaction is broken already."""
    connection = connections[alias]
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    return connection.connection
