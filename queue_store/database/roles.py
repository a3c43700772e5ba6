"""The Postgres roles: producers, worker, monitor and admin, each with the least that its work needs."""

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql

ROLES = (
    "processing_queue_producer",
    "processing_queue_flow_producer",
    "processing_queue_worker",
    "processing_queue_monitor",
    "processing_queue_admin",
)


def grant_roles(database: DatabaseManager) -> tuple[str, ...]:
    """Create the roles where they are missing and grant each one its rights. May be repeated. Returns their names.

    Needs a login that owns the tables, and that may create roles where one is missing. Raises QueueStoreError where
    every login may create objects in the schema, and psycopg.errors.InsufficientPrivilege.
    """
    with database.transaction() as cursor:
        cursor.execute(sql("maintenance/grant_roles"))
    return ROLES


def are_granted(database: DatabaseManager) -> bool:
    """Whether `grant_roles` was run on this database."""
    with database.transaction() as cursor:
        [row] = cursor.execute(sql("maintenance/are_roles_granted")).fetchall()
    return bool(row[0])
