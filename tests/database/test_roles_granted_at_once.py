"""Two deployments can grant the roles at the same time, although Postgres refuses two concurrent changes of one
privilege."""

from queue_store.database import roles
from queue_store.database.statements import sql
from queue_store.queue_schema import role_name
from tests.support.servers import connect
from tests.support.store import Store, in_background, store_on

LOCK = sql("migration/await_schema_version")
GRANT = sql("maintenance/grant_roles")


def test_on_one_database(store: Store) -> None:
    with store.held().transaction() as cursor:
        cursor.execute(LOCK)
        cursor.execute(GRANT)
        other = in_background(lambda: roles.grant_roles(store.database))
        store.wait_until_a_session_is_blocked()
    assert role_name("worker") in other.result(timeout=20)


def test_on_two_databases_of_one_server(store: Store, own_database_url: str) -> None:
    roles.grant_roles(store.database)
    neighbour = connect(own_database_url)
    worker, admin = role_name("worker"), role_name("admin")
    store.execute(f"REVOKE pg_read_all_stats, pg_signal_backend FROM {worker}, {admin}")
    with store_on(neighbour) as next_door:
        with store.held().transaction() as cursor:
            cursor.execute(GRANT)
            other = in_background(lambda: roles.grant_roles(neighbour))
            next_door.wait_until_a_session_is_blocked()
        assert worker in other.result(timeout=20)
    neighbour.dispose()
    assert store.value("SELECT pg_has_role(%s, 'pg_read_all_stats', 'MEMBER')", (worker,))
