"""The Postgres roles: see ROLES. Each role has only the rights that its work needs."""

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.queue_schema import role_name

ROLES = ("producer", "flow_producer", "worker", "monitor", "admin")


def grant_roles(database: DatabaseManager) -> tuple[str, ...]:
    """Create the roles that are missing, and grant each role its rights. Idempotent. Returns the roles' names.

    Waits while a migration or another caller runs, because Postgres refuses concurrent changes of the same privileges.
    Needs a login that owns the tables. If a role is missing, the login also needs the right to create roles. Raises
    psycopg.errors.InsufficientPrivilege without these rights. Raises QueueStoreError if every login can create objects
    in the queue's schema or in a schema of the search_path.
    """
    with database.transaction() as cursor:
        cursor.execute(sql("migration/await_schema_version"))
        cursor.execute(sql("maintenance/grant_roles"))
    return tuple(role_name(role) for role in ROLES)


def are_granted(database: DatabaseManager) -> bool:
    """Whether `grant_roles` was run on this database."""
    with database.transaction() as cursor:
        [row] = cursor.execute(sql("maintenance/are_roles_granted")).fetchall()
    return bool(row[0])
