"""The cleanup of orphans goes on until no orphan is left, and counts orphans only. So a dry run finds as many
orphans as the cleanup itself."""

from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.liveness.rescue import RUNS_AT_ONCE
from tasks.monitoring import distributed_system_maintenance
from tests.monitoring.test_maintenance import days_ago, execute, rows
from tests.support import filling


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


def clean_up(**options: Any) -> int:
    results = distributed_system_maintenance(cleanup_orphaned_records=True, **options)
    return int(results["cleanup_results"]["records_cleaned"])


def test_dead_runs_without_records_hide_no_orphan(database: DatabaseManager) -> None:
    filling.add_flow(database)
    for _ in range(2 * RUNS_AT_ONCE):
        filling.add_run(database, state="dead", finished_at=days_ago(2))
    filling.add_processing(database, 3, filling.add_run(database, state="dead", finished_at=days_ago(1)))
    assert clean_up() == 3
    assert clean_up(dry_run=False) == 3
    assert rows(database, "SELECT DISTINCT status FROM processing_queue") == [("pending",)]


def test_a_pending_record_that_is_cancelled_by_the_way_is_no_orphan(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_processing(database, 2, filling.add_run(database, state="dead", finished_at=days_ago(1)))
    filling.add_records(database, 1)
    execute(
        database,
        "INSERT INTO cancel_requests (record_id, requested_by)"
        " SELECT max(id), 'me' FROM processing_queue GROUP BY status",
    )
    assert clean_up() == 2
    assert clean_up(dry_run=False) == 2
    counts = "SELECT status, count(*) FROM processing_queue GROUP BY status ORDER BY status"
    assert rows(database, counts) == [("cancelled", 2), ("pending", 1)]
