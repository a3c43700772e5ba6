"""The weekly reset takes a failed record only if its flow would have given the record another attempt."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from tasks.monitoring import distributed_system_maintenance
from tests.support import filling

LAST_WEEK = datetime.now(UTC) - timedelta(days=6)


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)


def statuses(database: DatabaseManager) -> list[Any]:
    with database.transaction() as cursor:
        return cursor.execute("SELECT retry_count, status FROM processing_queue ORDER BY id").fetchall()


@pytest.mark.parametrize(
    ("max_retries", "reset"),
    [(0, []), (1, [1]), (2, [1, 2]), (3, [1, 2]), (1_000, [1, 2])],
)
def test_a_record_without_attempts_left_stays_failed(
    max_retries: int, reset: list[int], database: DatabaseManager
) -> None:
    """If a flow allows two retries or more (default: three), the reset takes records with up to two failed attempts."""
    filling.add_flow(database, max_retries=max_retries)
    for retry_count in (1, 2, 3):
        filling.add_failed(database, 1, retry_count=retry_count, updated_at=LAST_WEEK)
    results = distributed_system_maintenance(reset_failed_records=True, dry_run=False)
    assert results["reset_results"]["records_reset"] == len(reset)
    assert statuses(database) == [(n, "pending" if n in reset else "failed") for n in (1, 2, 3)]


def test_a_twin_without_attempts_left_blocks_no_reset(database: DatabaseManager) -> None:
    filling.add_flow(database, max_retries=1)
    filling.add_failed(database, 1, dedup_key="twins", retry_count=1, updated_at=LAST_WEEK)
    filling.add_failed(database, 1, dedup_key="twins", retry_count=2, updated_at=LAST_WEEK)
    distributed_system_maintenance(reset_failed_records=True, dry_run=False)
    assert statuses(database) == [(1, "pending"), (2, "failed")]


def test_a_record_of_a_flow_that_is_not_registered_is_reset(database: DatabaseManager) -> None:
    filling.add_failed(database, 1, flow_name="gone", retry_count=1, updated_at=LAST_WEEK)
    distributed_system_maintenance(reset_failed_records=True, dry_run=False)
    assert statuses(database) == [(1, "pending")]
