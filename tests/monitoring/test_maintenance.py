"""Maintenance does what its dry run reported, in bounded chunks, and leaves a log. Only one real maintenance run of
each kind can be active at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.errors import MaintenanceError
from queue_store.readings.integrity import find_violations
from queue_store.settings import ProcessorSettings
from tasks.monitoring import distributed_system_maintenance
from tasks.monitoring.maintenance import nightly_review
from tests.support import filling
from tests.support.recounting import recount
from tests.support.up_process import until

SETTINGS = ProcessorSettings()


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


def rows(database: DatabaseManager, query: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(query.encode()).fetchall()


def execute(database: DatabaseManager, statement: str, **parameters: Any) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode(), parameters)


def days_ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


# No run counts as silent until one lease has passed since the server started.
SERVER_HAS_SETTLED = "SELECT pg_postmaster_start_time() < now() - interval '11 seconds'"


def fill(database: DatabaseManager) -> None:
    """Adds some records of every kind that maintenance may change, and of every kind that it must not change."""
    filling.add_flow(database)
    filling.add_records(database, 4)
    alive = filling.add_run(database)
    filling.add_processing(database, 2, alive)
    filling.add_processing(database, 3, filling.add_run(database), age_seconds=9_000)
    filling.add_processing(database, 5, filling.add_run(database, state="dead", finished_at=days_ago(1)))
    filling.add_processing(database, 2, filling.add_run(database, heartbeat_at=days_ago(1)))
    for retry_count, age in ((1, 1), (2, 1), (3, 1), (5, 6), (5, 8), (6, 8), (4, 8)):
        filling.add_failed(database, 2, retry_count=retry_count, updated_at=days_ago(age))
    filling.add_failed(database, 1, retry_count=1, crash_strikes=3, updated_at=days_ago(1))
    filling.add_failed(database, 1, retry_count=1, dedup_key="live", updated_at=days_ago(1))
    filling.add_records(database, 1, dedup_key="live")
    filling.add_failed(database, 2, retry_count=1, dedup_key="twice", updated_at=days_ago(1))
    done = {"status": "completed", "claim_number": 1, "flow_instance_id": alive}
    for age in (29, 31, 40):
        filling.add_records(database, 2, claimed_at=days_ago(age), completed_at=days_ago(age), **done)
    filling.add_records(database, 1, status="cancelled", updated_at=days_ago(31))
    add_attempts(database)


def add_attempts(database: DatabaseManager) -> None:
    """Adds two attempts to each failed record: one is 30 days old, the other 60 days. Some of these records are purged,
    and some are kept."""
    execute(
        database,
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group, finished_at)"
        " SELECT q.id, n, n, 'alpha', gen_random_uuid(), 'failed', 'E', 'e', 'e', now() - n * interval '30 days'"
        " FROM processing_queue q CROSS JOIN generate_series(1, 2) AS n WHERE q.status = 'failed'",
    )


@pytest.mark.parametrize(
    "choice",
    [
        {"cleanup_orphaned_records": True, "orphaned_timeout_hours": 2},
        {"reset_failed_records": True, "max_retries": 3},
        {"purge_old_records": True},
    ],
    ids=lambda choice: next(iter(choice)),
)
@pytest.mark.parametrize("page", [2, 1_000])
def test_a_dry_run_reports_exactly_what_a_real_run_does(
    database: DatabaseManager, choice: dict[str, Any], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.maintenance.weekly_reset.RECORDS_AT_ONCE", page)
    monkeypatch.setattr("queue_store.maintenance.retention.RECORDS_AT_ONCE", page)
    monkeypatch.setattr("queue_store.readings.orphans.RECORDS_AT_MOST", page)
    fill(database)
    until(lambda: rows(database, SERVER_HAS_SETTLED) == [(True,)])
    before = rows(database, "SELECT id, status, updated_at FROM processing_queue ORDER BY id")
    dry = distributed_system_maintenance(**choice)
    assert rows(database, "SELECT id, status, updated_at FROM processing_queue ORDER BY id") == before
    real = distributed_system_maintenance(**choice, dry_run=False)
    assert without_run(dry) == without_run(real)
    assert without_run(distributed_system_maintenance(**choice)) != without_run(real)


def without_run(results: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in result.items() if key != "maintenance_run_id"}
        for name, result in results.items()
        if isinstance(result, dict)
    }


def test_cleanup_gives_back_orphans_only(database: DatabaseManager) -> None:
    fill(database)
    results = distributed_system_maintenance(cleanup_orphaned_records=True, dry_run=False)
    assert results["cleanup_results"]["records_cleaned"] == 10
    assert rows(database, "SELECT count(*) FROM processing_queue WHERE status = 'processing'") == [(2,)]


def test_the_weekly_reset_takes_what_may_be_tried_again(database: DatabaseManager) -> None:
    fill(database)
    results = distributed_system_maintenance(reset_failed_records=True, max_retries=3, dry_run=False)
    assert results["reset_results"]["records_reset"] == 5
    left = rows(
        database,
        "SELECT retry_count, count(*) FROM processing_queue WHERE status = 'failed' GROUP BY 1 ORDER BY 1",
    )
    assert left == [(1, 3), (3, 2), (4, 2), (5, 4), (6, 2)]


def test_a_twin_that_its_own_flow_keeps_failed_blocks_no_reset(database: DatabaseManager) -> None:
    filling.add_flow(database)
    execute(database, "UPDATE flows SET declared = declared || '{\"max_crash_strikes\": 2}'")
    filling.add_failed(database, 1, dedup_key="twins", retry_count=1, updated_at=days_ago(1))
    filling.add_failed(database, 1, dedup_key="twins", retry_count=1, crash_strikes=2, updated_at=days_ago(1))
    results = distributed_system_maintenance(reset_failed_records=True, dry_run=False)
    assert results["reset_results"]["records_reset"] == 1
    assert rows(database, "SELECT crash_strikes, status FROM processing_queue ORDER BY 1") == [
        (0, "pending"),
        (2, "failed"),
    ]


def test_retention_by_age_and_failed_attempts(database: DatabaseManager) -> None:
    fill(database)
    results = distributed_system_maintenance(purge_old_records=True, dry_run=False)
    assert results["retention_results"]["records_purged"] == {"completed": 4, "failed": 4, "cancelled": 1}
    assert rows(database, "SELECT count(*) FROM processing_queue WHERE status = 'completed'") == [(2,)]
    rollups.fold(database)
    assert recount(database) == []


def test_failed_records_that_would_stay_for_ever_have_a_setting_of_their_own(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(database)
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_RETENTION_ANY_FAILED_DAYS", "7")
    results = distributed_system_maintenance(purge_old_records=True, dry_run=False)
    assert results["retention_results"]["records_purged"]["failed"] == 6


def test_history_is_purged_and_what_is_needed_stays(database: DatabaseManager) -> None:
    filling.add_run(database, state="ended", finished_at=days_ago(40), settled_at=days_ago(40))
    unsettled = filling.add_run(database, state="dead", finished_at=days_ago(40))
    filling.add_outcomes(database, minutes_ago=40 * 24 * 60, completed=1)
    filling.add_outcomes(database, minutes_ago=1, completed=1)
    rollups.fold(database)
    purged = distributed_system_maintenance(purge_old_records=True, dry_run=False)["retention_results"]
    assert purged["history_purged"]["runs"] == 1
    assert purged["history_purged"]["rollup_minutes"] == 1
    assert rows(database, "SELECT flow_instance_id FROM flow_execution_logs") == [(unsettled,)]
    assert rows(database, "SELECT count(*) FROM rollup_hours") == [(2,)]


def test_whoever_looks_on_hears_of_every_chunk(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.maintenance.weekly_reset.RECORDS_AT_ONCE", 2)
    fill(database)
    heard: list[tuple[str, int]] = []
    distributed_system_maintenance(
        reset_failed_records=True, on_progress=lambda operation, count: heard.append((operation, count))
    )
    assert [count for _, count in heard] == sorted(count for _, count in heard)
    assert heard[-1] == ("reset_failed_records", 5)
    assert len(heard) > 2


def test_two_of_one_kind_cannot_run_at_once(database: DatabaseManager) -> None:
    options = {"dry_run": False, "actor": "first"}
    with maintenance.begin(database, "purge_old_records", **options):
        with pytest.raises(MaintenanceError, match="started by first"):
            distributed_system_maintenance(purge_old_records=True, dry_run=False)
        distributed_system_maintenance(purge_old_records=True)  # a dry run is allowed
    distributed_system_maintenance(purge_old_records=True, dry_run=False)


@contextmanager
def begin(database: DatabaseManager, actor: str) -> Iterator[maintenance.MaintenanceRun]:
    with maintenance.begin(database, "reset_failed_records", dry_run=False, actor=actor) as run:
        yield run


@contextmanager
def begin_frozen(database: DatabaseManager) -> Iterator[maintenance.MaintenanceRun]:
    with begin(database, "frozen") as run:
        execute(database, "UPDATE maintenance_runs SET heartbeat_at = now() - interval '1 hour'")
        yield run


def test_whoever_was_frozen_finds_itself_abandoned_and_changes_nothing(database: DatabaseManager) -> None:
    filling.add_failed(database, 2, retry_count=1)
    with (
        begin_frozen(database) as run,
        begin(database, "next"),
        pytest.raises(MaintenanceError, match="abandoned"),
    ):
        maintenance.reset_failed(run, SETTINGS, 3)
    assert rows(database, "SELECT count(*) FROM processing_queue WHERE status = 'failed'") == [(2,)]
    assert rows(database, "SELECT actor, state FROM maintenance_runs ORDER BY id") == [
        ("frozen", "abandoned"),
        ("next", "finished"),
    ]


def test_every_run_is_logged_and_real_ones_are_audited(database: DatabaseManager) -> None:
    fill(database)
    distributed_system_maintenance(reset_failed_records=True, actor="anna")
    distributed_system_maintenance(reset_failed_records=True, dry_run=False, actor="anna")
    assert rows(
        database, "SELECT operation, dry_run, state, affected_count FROM maintenance_runs ORDER BY id"
    ) == [
        ("reset_failed_records", True, "finished", 5),
        ("reset_failed_records", False, "finished", 5),
    ]
    assert rows(database, "SELECT actor, action, target, affected_count FROM audit_log") == [
        ("anna", "maintenance", "reset_failed_records", 5)
    ]


def test_a_chunk_waits_for_nobody_who_works(database: DatabaseManager) -> None:
    """Maintenance skips a record that another transaction has locked, and leaves it to the next maintenance run."""
    fill(database)
    with database.transaction() as worker:
        worker.execute("SELECT FROM processing_queue WHERE status = 'completed' FOR UPDATE")
        results = distributed_system_maintenance(purge_old_records=True, dry_run=False)
    assert results["retention_results"]["records_purged"]["completed"] == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "nothing was chosen"),
        ({"cleanup_orphaned_records": True, "orphaned_timeout_hours": -1}, "orphaned_timeout_hours must be"),
        ({"cleanup_orphaned_records": True, "orphaned_timeout_hours": 0}, "orphaned_timeout_hours must be"),
        ({"reset_failed_records": True, "max_retries": 0}, "max_retries must be"),
    ],
)
def test_wrong_arguments_change_nothing(
    database: DatabaseManager, arguments: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        distributed_system_maintenance(**arguments, dry_run=False)
    assert rows(database, "SELECT count(*) FROM maintenance_runs") == [(0,)]


def test_no_correction_of_an_interrupted_nightly_review_stays_unreported(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling.add_records(database, 3)
    rollups.fold(database)
    execute(database, "UPDATE processing_queue SET status = 'cancelled'")
    with monkeypatch.context() as patch:
        patch.delattr("tasks.monitoring.maintenance.renew_baselines")
        with pytest.raises(NameError):
            nightly_review()
    assert nightly_review()["corrections"] == {"alpha": [0, 0, 0, 3]}


def test_an_hour_is_kept_as_long_as_its_minutes(database: DatabaseManager) -> None:
    filling.add_outcomes(database, minutes_ago=3 * 24 * 60, completed=30)
    rollups.fold(database)
    settings = ProcessorSettings(retention_audit_days=1, retention_history_days=5)
    with maintenance.begin(database, "retention", dry_run=False, actor="Olga") as run:
        assert maintenance.purge_history(run, settings)["rollup_hours"] == 0
    with database.transaction() as cursor:
        assert find_violations(cursor) == []


def test_the_nightly_review_corrects_counts_and_learns_what_is_usual(database: DatabaseManager) -> None:
    filling.add_records(database, 3)
    filling.add_outcomes(database, minutes_ago=120, completed=30)
    rollups.fold(database)
    execute(database, "UPDATE processing_queue SET status = 'cancelled'")
    assert nightly_review() == {"corrections": {"alpha": [0, 0, 0, 3]}, "baselines": 1}
    assert nightly_review() == {"corrections": {}, "baselines": 1}
