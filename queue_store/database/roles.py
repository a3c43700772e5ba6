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

    Needs a login that owns the tables and may create roles.
    """
    with database.transaction() as cursor:
        cursor.execute(sql("maintenance/grant_roles"))
    return ROLES
