"""A living worker process is seen, however many others died or fell silent in the last hour."""

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings.fleet import GONE_LIMIT, Fleet, read_fleet
from queue_store.settings import ProcessorSettings
from tasks.monitoring import distributed_queue_monitoring
from tests.support import filling
from tests.support.troubles import execute

GONE = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, state, started_at, heartbeat_at,
    ended_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'broken-' || n %% 40, n, '{alpha}', %(state)s, now() - interval '1 hour',
    now() - interval '30 minutes', CASE WHEN %(state)s = 'dead' THEN now() - interval '1 minute' END
FROM generate_series(1, %(count)s) n
"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


def fleet(database: DatabaseManager) -> Fleet:
    with database.transaction() as cursor:
        return read_fleet(cursor, ProcessorSettings(heartbeat_seconds=0.1, lease_seconds=0.5))


@pytest.mark.parametrize("state", ["dead", "running"])
def test_it_is_read_with_its_flows(state: str, database: DatabaseManager) -> None:
    living = filling.add_worker_process(database, "alpha", hostname="worker-1")
    execute(database, GONE, state=state, count=GONE_LIMIT + 100)
    found = fleet(database)
    assert [process.worker_process_id for process in found.alive] == [living]
    assert len(found.processes) == GONE_LIMIT + 1
    assert found.served_flows == {"alpha"}


def test_silent_processes_come_before_dead_ones(database: DatabaseManager) -> None:
    execute(database, GONE, state="dead", count=GONE_LIMIT)
    execute(database, GONE, state="running", count=5)
    assert sum(process.state == "running" for process in fleet(database).processes) == 5


def test_only_the_deaths_are_reported(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha", hostname="worker-1")
    filling.add_records(database, 5, age_seconds=90)
    execute(database, GONE, state="dead", count=GONE_LIMIT + 100)
    (finding,) = distributed_queue_monitoring()["findings"]
    assert finding["code"] == "worker_deaths"
    assert finding["message"].startswith(f"At least {GONE_LIMIT} worker processes died")


def test_a_large_fleet_is_read_as_a_whole(database: DatabaseManager) -> None:
    execute(database, GONE, state="running", count=GONE_LIMIT + 100)
    execute(database, "UPDATE worker_processes SET heartbeat_at = now() + interval '1 hour'")
    assert len(fleet(database).alive) == GONE_LIMIT + 100
