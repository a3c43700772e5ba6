"""A dry run that resets and purges counts what the same real execution does: a record that the reset would make
pending again is not counted as purged."""

from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from tasks.monitoring import distributed_system_maintenance
from tests.monitoring.test_maintenance import days_ago, execute, rows, without_run
from tests.support import filling

BOTH: dict[str, Any] = {"reset_failed_records": True, "max_retries": 3, "purge_old_records": True}
PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_RETENTION_"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)


def add_failed_records(database: DatabaseManager) -> None:
    """Adds failed records that are reset, or purged, or neither. Most of the old records could be either."""
    filling.add_flow(database)
    for retry_count, age in ((1, 8), (5, 8), (2, 8), (1, 1), (2, 8), (5, 1), (1, 8)):
        filling.add_failed(database, 2, retry_count=retry_count, updated_at=days_ago(age))
    # The newest of the twins is reset, so only the two others are purged. The twins of a pending record are purged.
    filling.add_failed(database, 3, retry_count=1, dedup_key="twins", updated_at=days_ago(8))
    filling.add_failed(database, 2, retry_count=1, dedup_key="live", updated_at=days_ago(8))
    filling.add_records(database, 1, dedup_key="live")


@pytest.mark.parametrize("page", [1, 2, 1_000])
@pytest.mark.parametrize("setting", [("ANY_FAILED_DAYS", "7"), ("FAILED_MINIMUM_RETRIES", "1")])
def test_both_operations_together(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch, page: int, setting: tuple[str, str]
) -> None:
    name, value = setting
    monkeypatch.setenv(PREFIX + name, value)
    monkeypatch.setattr("queue_store.maintenance.weekly_reset.RECORDS_AT_ONCE", page)
    monkeypatch.setattr("queue_store.maintenance.retention.RECORDS_AT_ONCE", page)
    add_failed_records(database)
    dry = distributed_system_maintenance(**BOTH)
    assert rows(database, "SELECT DISTINCT affected_count FROM maintenance_runs ORDER BY 1") == [(6,), (11,)]
    real = distributed_system_maintenance(**BOTH, dry_run=False)
    assert without_run(dry) == without_run(real)
    assert counts(real) == (11, 6)


def test_each_operation_alone_counts_such_a_record(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PREFIX + "ANY_FAILED_DAYS", "7")
    add_failed_records(database)
    assert counts(distributed_system_maintenance(**BOTH)) == (11, 6)
    dry = distributed_system_maintenance(purge_old_records=True)
    assert dry["retention_results"]["records_purged"]["failed"] == 15
    execute(database, "UPDATE flows SET declared = declared || '{\"weekly_reset\": false}'")
    assert counts(distributed_system_maintenance(**BOTH)) == (0, 15)
    assert without_run(distributed_system_maintenance(purge_old_records=True, dry_run=False)) == without_run(
        dry
    )


def counts(results: dict[str, Any]) -> tuple[int, int]:
    reset, purged = results["reset_results"], results["retention_results"]
    return reset["records_reset"], purged["records_purged"]["failed"]
