"""Of several failed records with the same dedup_key, the weekly reset takes only the newest, even if that record is
finished before the reset reaches the others."""

import pytest

from queue_store import maintenance
from queue_store.database.manager import DatabaseManager
from queue_store.maintenance import weekly_reset
from queue_store.settings import ProcessorSettings
from tests.monitoring.test_maintenance import days_ago, execute, rows
from tests.support import filling


def test_the_older_one_stays_failed_although_the_newer_one_is_done(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weekly_reset, "RECORDS_AT_ONCE", 1)
    filling.add_flow(database)
    for name, age in (("older", 1), ("newer", 2)):
        filling.add_failed(
            database, 1, dedup_key="twins", retry_count=1, error_message=name, updated_at=days_ago(age)
        )

    def complete_reset(_: int) -> None:
        execute(database, "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")

    options = {"dry_run": False, "actor": "anna", "on_progress": complete_reset}
    with maintenance.begin(database, "reset_failed_records", **options) as run:
        assert maintenance.reset_failed(run, ProcessorSettings(), 3) == 1
    assert rows(database, "SELECT error_message, status FROM processing_queue ORDER BY id") == [
        ("older", "failed"),
        ("newer", "cancelled"),
    ]
