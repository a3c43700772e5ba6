"""System checks, which find problems that would make `enqueue` fail or keep tasks from running. `manage.py check` runs
these checks, but needs the option `--database` for the check that reads a database."""

from collections.abc import Callable, Collection, Sequence

from django.core import checks
from django.db import connections

from queue_store.database.manager import DatabaseManager
from queue_store.database.schema import check_version
from queue_store.errors import SchemaVersionError
from queue_store.liveness.worker_processes import server_identity
from queue_store.settings import database_url_text

from .database import opened_manager
from .options import Options, wrong_keys
from .our_backends import our_backends
from .task_library import InvalidTaskBackend


def check_backend(
    backend_alias: str, options: Options, declared_paths: Callable[[], Collection[str]]
) -> list[checks.CheckMessage]:
    """Checks the options of a backend, without a connection to the database. `declared_paths` returns the paths of all
    tasks."""
    place = f'TASKS["{backend_alias}"]'
    messages = _check_alias(options.database, place)
    try:
        options.sender()
    except InvalidTaskBackend as error:
        messages.append(
            checks.Error(f'{place}["OPTIONS"]["hint_sender"]: {error}', id="processing_queue.E004")
        )
    for text in wrong_keys(backend_alias, options, declared_paths):
        messages.append(checks.Error(text, id="processing_queue.E005"))
    return messages


def _check_alias(alias: str, place: str) -> list[checks.CheckMessage]:
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
    """Checks that the database is Postgres, and that Django reaches it through psycopg 3."""
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


@checks.register(checks.Tags.database)
def check_databases(
    app_configs: object = None, databases: Sequence[str] | None = None, **kwargs: object
) -> list[checks.CheckMessage]:
    """Checks that a database holds the queue's schema in this code's version, and that workers use the same database.

    Problems are reported as warnings, because `manage.py migrate` runs this check, too. If this check reported an
    error, `migrate` would stop before it makes Django's own tables.
    """
    aliases = {backend.flow_settings.database for backend in our_backends()} & set(databases or ())
    return [message for alias in sorted(aliases) for message in _check_database(alias)]


def _check_database(alias: str) -> list[checks.CheckMessage]:
    if check_driver(alias, "TASKS"):
        return []  # check_backend reports these problems
    with opened_manager(alias) as database:
        try:
            check_version(database)
        except SchemaVersionError as error:
            return [checks.Warning(str(error), id="processing_queue.W001")]
        if not database_url_text():
            return []
        workers = DatabaseManager()
        try:
            is_the_same = _identity(database) == _identity(workers)
        finally:
            workers.dispose()
    if is_the_same:
        return []
    return [
        checks.Warning(
            f'The database "{alias}" is not the database of DATABASE_URL, which workers and queuectl use here.',
            hint="Tasks that are enqueued in that database would never run: name the same database in DATABASES "
            "and DATABASE_URL.",
            id="processing_queue.W002",
        )
    ]


def _identity(database: DatabaseManager) -> tuple[str, str]:
    with database.transaction() as cursor:
        return server_identity(cursor), cursor.connection.info.dbname
