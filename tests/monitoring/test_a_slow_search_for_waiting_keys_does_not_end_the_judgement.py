"""The search for flows that wait for their keys may be slow, for example because of many dead index entries. A slow
search ends without a result. Then the rules judge these flows like any other flow."""

from collections.abc import Callable

import pytest

from queue_store.database import roles
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.explain import explain_flow
from queue_store.queue_schema import role_name
from queue_store.readings import waiting_for_keys
from queue_store.readings.waiting_for_keys import read_flows_waiting_for_keys
from queue_store.settings import ProcessorSettings
from tasks.monitoring import distributed_queue_monitoring
from tests.support import filling
from tests.support.servers import connect
from tests.support.troubles import execute, looked_at_for_half_an_hour

KEYED = """
INSERT INTO processing_queue (flow_name, order_key, scheduled_at)
SELECT 'alpha', 'k', now() + make_interval(secs => CASE WHEN n = 1 THEN 3000 ELSE -2000 END)
FROM generate_series(1, 601) n ORDER BY n
"""
SLOW = b"SELECT 'alpha' FROM pg_sleep(60)"
SETTINGS = (
    "SELECT name, setting FROM pg_settings WHERE name LIKE 'enable%' OR name IN ('statement_timeout', 'jit')"
)


@pytest.fixture(autouse=True)
def _waiting(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    execute(database, KEYED)
    looked_at_for_half_an_hour(database)


@pytest.fixture
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    read: Callable[[str], bytes] = waiting_for_keys.sql
    monkeypatch.setattr(
        waiting_for_keys,
        "sql",
        lambda name: SLOW if name == "readings/flows_waiting_for_keys" else read(name),
    )


@pytest.mark.usefixtures("_slow")
def test_the_flow_is_judged_as_if_it_did_not_wait() -> None:
    found = distributed_queue_monitoring()["findings"]
    assert {finding["code"] for finding in found} == {"processing_rate", "backlog"}


@pytest.mark.usefixtures("_slow")
def test_explain_gives_the_other_reasons(database: DatabaseManager) -> None:
    with bounded_read(database) as cursor:
        assert explain_flow(cursor, ProcessorSettings(), "alpha").reasons[0].code == "work_waits"


def test_a_search_that_waits_for_a_lock_is_ended(database: DatabaseManager, clean_database_url: str) -> None:
    """A read-only login can search, too. After the search, its transaction has the same settings as before."""
    roles.grant_roles(database)
    reader = connect(clean_database_url)

    def search() -> set[str]:
        with bounded_read(reader) as cursor:
            cursor.execute(f"SET LOCAL ROLE {role_name('monitor')}".encode())
            cursor.execute("SET LOCAL transaction_read_only = on")
            before = cursor.execute(SETTINGS).fetchall()
            found = read_flows_waiting_for_keys(cursor, ["alpha"], grace_seconds=0)
            assert cursor.execute(SETTINGS).fetchall() == before
        return found

    assert search() == {"alpha"}
    with database.transaction() as migration:
        migration.execute("LOCK TABLE processing_queue IN ACCESS EXCLUSIVE MODE")
        assert search() == set()
    reader.dispose()
