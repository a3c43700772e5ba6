"""System checks: what would make `enqueue` fail, found at `manage.py check` instead."""

from django.core import checks
from django.db import connections


def check_backend(backend_alias: str, alias: str) -> list[checks.CheckMessage]:
    """What can be said of a backend and its database's alias without asking that database."""
    place = f'TASKS["{backend_alias}"]'
    if alias not in list(connections):
        return [
            checks.Error(
                f'{place} writes to the database "{alias}", which DATABASES does not name.',
                hint='Set OPTIONS["database"] to an alias of DATABASES.',
                id="processing_queue.E001",
            )
        ]
    return check_driver(alias, place)


def check_driver(alias: str, place: str) -> list[checks.CheckMessage]:
    """The database must be Postgres, through psycopg 3."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return [
            checks.Error(
                f'{place} writes to the database "{alias}", which is {connection.display_name}, not PostgreSQL.',
                id="processing_queue.E002",
            )
        ]
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    if not is_psycopg3:
        return [
            checks.Error(
                f"{place} needs psycopg 3, but Django uses psycopg2.",
                hint="pip install 'psycopg[binary]'",
                id="processing_queue.E003",
            )
        ]
    return []
