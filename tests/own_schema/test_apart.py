"""Queues in one database do not affect each other's rescue, locks, keys, counts, alerts or roles."""

import dataclasses
import secrets
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from queue_store import flows
from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.counts import rollups
from queue_store.database import roles, schema
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.database.turns_of_tests import turn_of_a_test
from queue_store.enqueueing import enqueue
from queue_store.errors import QueueStoreError
from queue_store.flows import FlowDeclaration
from queue_store.liveness.rescue import Rescue
from queue_store.queue_schema import role_name
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.settings import ProcessorSettings
from tests.support.schemas import create_queue, in_schema
from tests.support.servers import connect

NAMES = ("public", "a", "b")
DEAD = """
INSERT INTO {schema}.flow_execution_logs (flow_instance_id, flow_name, worker_process_id, heartbeat_at)
VALUES ('00000000-0000-0000-0000-000000000001', 'sample', gen_random_uuid(), now() - interval '1 hour');
UPDATE {schema}.processing_queue SET status = 'processing', claimed_at = now(), claim_number = 1,
    flow_instance_id = '00000000-0000-0000-0000-000000000001'
"""


@pytest.fixture
def database(empty_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(empty_database_url)
    for name in NAMES:
        create_queue(manager, name)
        with in_schema(name):
            register_sample(manager)
    yield manager
    manager.dispose()


def register_sample(database: DatabaseManager) -> None:
    sample = FlowDeclaration("sample", "flows", 10, None, 3, 60, {})
    with database.transaction() as cursor:
        flows.register(cursor, [sample])


def put(database: DatabaseManager, name: str, **options: str) -> int:
    with in_schema(name), database.engine.begin() as connection:
        return enqueue(connection, "sample", {}, **options).id  # type: ignore[arg-type]


def statuses(database: DatabaseManager, name: str) -> list[str]:
    with database.transaction() as cursor:
        rows = cursor.execute(f"SELECT status FROM {name}.processing_queue ORDER BY id".encode()).fetchall()  # noqa: S608
    return [row[0] for row in rows]


def test_keys_are_those_of_one_queue(database: DatabaseManager) -> None:
    for name in NAMES:
        put(database, name, dedup_key="one", order_key="one")
    assert [statuses(database, name) for name in NAMES] == [["pending"]] * 3


def test_counts_are_those_of_one_queue(database: DatabaseManager) -> None:
    for count, name in enumerate(NAMES):
        for _ in range(count):
            put(database, name)
    pending: list[int] = []
    for name in NAMES:
        with in_schema(name):
            rollups.fold(database)
            with database.transaction() as cursor:
                pending += [flow.pending for flow in read_flow_counts(cursor)]
    assert pending == [0, 1, 2]


def test_the_dead_are_rescued_by_their_own_queue(database: DatabaseManager, empty_database_url: str) -> None:
    """The worst case: each queue has a run with the same id."""
    settings = ProcessorSettings(lease_seconds=0.2)
    for name in NAMES:
        put(database, name)
        with psycopg.connect(empty_database_url) as connection:
            connection.execute(DEAD.format(schema=name).encode())
    with in_schema("a"):
        rescue = Rescue(database, settings)
        assert rescue.sweep().record_count == 1
    assert [statuses(database, name) for name in NAMES] == [["processing"], ["pending"], ["processing"]]


def test_the_alerts_of_one_queue_are_not_those_of_another(database: DatabaseManager) -> None:
    finding = Finding(code="failed_records", level="warning", message="Many failed.", next_step="look")
    with in_schema("a"), database.transaction() as cursor:
        alerts.update(cursor, [finding], ["failed_records"])
    found = {}
    for name in NAMES:
        with in_schema(name), database.transaction() as cursor:
            found[name] = len(alerts.read_alerts(cursor))
    assert found == {"public": 0, "a": 1, "b": 0}


def test_a_migration_waits_for_those_of_its_own_queue_only(database: DatabaseManager) -> None:
    with in_schema("a"):
        lock = sql("migration/lock_schema_version")
    with database.transaction() as cursor:
        cursor.execute(lock)
        for name in ("public", "b"):
            with in_schema(name):
                schema.migrate(database.engine)  # must not wait for the lock of queue a


def test_tests_of_different_queues_do_not_wait_for_each_other(
    database: DatabaseManager, empty_database_url: str
) -> None:
    with (
        in_schema("a"),
        turn_of_a_test(empty_database_url),
        in_schema("b"),
        turn_of_a_test(empty_database_url),
    ):
        pass


def test_a_role_is_one_of_its_queue(database: DatabaseManager, empty_database_url: str) -> None:
    login = f"shop_{secrets.token_hex(4)}"
    with in_schema("a"):
        granted = role_name("producer")
    with database.transaction() as cursor:
        cursor.execute(f"CREATE ROLE {login} LOGIN IN ROLE {granted}".encode())
    shop = connect(make_url(empty_database_url).set(username=login).render_as_string(hide_password=False))
    put(shop, "a")
    for name in ("public", "b"):
        with pytest.raises(QueueStoreError, match="permission denied"):
            put(shop, name)
    shop.dispose()
    assert [statuses(database, name) for name in NAMES] == [[], ["pending"], []]
    with database.transaction() as cursor:
        cursor.execute(f"DROP ROLE {login}".encode())


def test_no_role_is_safe_where_everybody_may_put_operators_on_the_search_path(
    database: DatabaseManager,
) -> None:
    with database.transaction() as cursor:
        cursor.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with in_schema("a"), pytest.raises(QueueStoreError, match="REVOKE CREATE ON SCHEMA public FROM PUBLIC"):
        roles.grant_roles(database)


def test_a_session_of_ours_keeps_the_search_path_of_the_application(
    database: DatabaseManager, empty_database_url: str
) -> None:
    """Our sessions do not set the search path: no statement needs it, and a pooler could give it to other clients."""
    with psycopg.connect(empty_database_url) as theirs:
        expected = theirs.execute("SHOW search_path").fetchone()
    direct = database.settings
    for settings in (direct, dataclasses.replace(direct, pgbouncer=True)):
        manager = DatabaseManager(settings=settings)
        with in_schema("a"), manager.transaction() as cursor:
            assert cursor.execute("SHOW search_path").fetchone() == expected
            assert len(read_flow_counts(cursor)) == 1
        manager.dispose()
