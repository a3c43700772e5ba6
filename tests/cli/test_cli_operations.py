"""Operators' commands: check, alerts, capacity, maintenance, validate, repair, backup, restore, recover and tune."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.database.versions import latest_version
from queue_store.operators.backup import TABLES
from tasks.app import app
from tasks.cli import main
from tests.counts.test_rollups import fold_until
from tests.support import filling
from tests.support.cleaning import TABLES as ALL_TABLES
from tests.support.recounting import recount
from tests.support.restoring import RESTORED
from tests.support.schemas import TEST_SCHEMA

CORRUPT = (
    "INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at, flow_instance_id)"
    f" SELECT 'alpha', 'processing', 1, now(), gen_random_uuid() WHERE {RESTORED}"
)


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv("QUEUECTL_ACTOR", "Olga")
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.is_broker_reachable", lambda _: True)
    monkeypatch.setattr(app.conf, "broker_url", "redis://here")


def queuectl(*arguments: object, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result


def as_json(*arguments: object, exit_code: int = 0) -> Any:
    return json.loads(queuectl(*arguments, "--json", exit_code=exit_code).stdout)


def rows(database: DatabaseManager, query: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(query.encode()).fetchall()


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def beat_is_alive(database: DatabaseManager) -> None:
    execute(database, "INSERT INTO beats (beat_id, hostname, pid) VALUES (gen_random_uuid(), 'beat', 1)")


def test_check_says_the_level_by_its_exit_code(database: DatabaseManager) -> None:
    beat_is_alive(database)
    assert "Queue health: healthy" in queuectl("check").output
    filling.add_failed(database, 60)
    assert "WARNING alpha: 60 failed records" in queuectl("check", exit_code=1).output
    filling.add_failed(database, 60)
    assert as_json("check", exit_code=2)["health"] == "critical"
    execute(database, CORRUPT)
    assert "EMERGENCY The queue holds data that must not be in it" in queuectl("check", exit_code=2).output


def test_check_works_without_worker_and_beat_and_says_so(database: DatabaseManager) -> None:
    assert "Celery beat has never run" in queuectl("check", exit_code=1).output
    beat_is_alive(database)
    execute(database, "UPDATE beats SET heartbeat_at = now() - interval '2 minutes'")
    assert "Celery beat has been silent for 12" in queuectl("check", exit_code=1).output


def test_check_says_that_the_broker_is_away(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    beat_is_alive(database)
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.is_broker_reachable", lambda _: False)
    assert "The broker cannot be reached" in queuectl("check", exit_code=1).output


def test_check_says_that_maintenance_is_late_or_failed(database: DatabaseManager) -> None:
    beat_is_alive(database)
    execute(
        database,
        "INSERT INTO schedule_occurrences (entry, due_at, state) VALUES ('late', now() - interval '1 hour', 'due'),"
        " ('bad', now() - interval '1 hour', 'failed')",
    )
    codes = {f["code"] for f in as_json("check", exit_code=1)["findings"]}
    assert codes == {"maintenance_late", "maintenance_failed"}


def test_check_of_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/rpa_db")
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)
    output = queuectl("check", "--database", exit_code=2).output
    assert "EMERGENCY The database rpa_db cannot be reached" in output
    assert "hush" not in output


def test_check_shows_more_when_asked(database: DatabaseManager) -> None:
    beat_is_alive(database)
    output = queuectl("check", "--database", "--performance").output
    assert "utilization_percent" in output
    assert "overall_metrics" in output


def test_check_notifies_when_asked(database: DatabaseManager) -> None:
    beat_is_alive(database)
    filling.add_failed(database, 60)
    assert as_json("check", exit_code=1)["notifications_sent"] is None
    assert as_json("check", "--notify", exit_code=1)["notifications_sent"] == 1
    check = as_json("check", "--notify", exit_code=1)
    assert (check["notifications_sent"], check["notices_sent"]) == (0, 0)  # also under the old name


def test_alerts_are_listed_and_acknowledged(database: DatabaseManager) -> None:
    assert "No alerts." in queuectl("alerts").output
    with database.transaction() as cursor:
        alerts.update(
            cursor,
            [Finding(code="corruption", level="emergency", message="Bad.", next_step="look")],
            ["corruption"],
        )
    (alert,) = as_json("alerts")
    assert "emergency" in queuectl("alerts").output
    queuectl("alerts", "--acknowledge", alert["id"])
    assert "acknowledged by Olga" in queuectl("alerts").output
    queuectl("alerts", "--acknowledge", alert["id"], exit_code=1)
    queuectl("alerts", "--acknowledge", alert["id"], "--test", exit_code=64)


def test_channels_are_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No contact is configured" in queuectl("alerts", "--test").output
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_CONTACT_PRIMARY", "http://127.0.0.1:1/?token=hush")
    output = queuectl("alerts", "--test", exit_code=1).output
    assert "primary: 127.0.0.1: plain http" in output
    assert "hush" not in output


def test_capacity(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_records(database, 1_201)
    assert as_json("capacity")["wanted_containers"] == 2
    assert "7 full days of history; so far there are 0." in queuectl("capacity").output


def test_maintenance_is_dry_unless_told_and_asks(database: DatabaseManager) -> None:
    filling.add_failed(database, 2, retry_count=1)
    assert "2 failed records would be reset." in queuectl("maintenance", "--reset-failed-records").output
    queuectl("maintenance", "--reset-failed-records", "--no-dry-run", exit_code=64)
    queuectl("maintenance", exit_code=64)
    queuectl("maintenance", "--cleanup-orphaned-records", "--orphaned-timeout-hours", "-1", exit_code=64)
    assert rows(database, "SELECT DISTINCT status FROM processing_queue") == [("failed",)]
    output = queuectl("maintenance", "--reset-failed-records", "--no-dry-run", "--yes").output
    assert "2 failed records reset." in output
    assert "reset_failed_records" in queuectl("maintenance", "--history").output


def test_maintenance_that_takes_long_says_how_far_it_is(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.cli.frame.PROGRESS_SECONDS", 0)
    filling.add_failed(database, 2, retry_count=1)
    result = queuectl("maintenance", "--reset-failed-records")
    assert "reset_failed_records: 2 rows so far …" in result.stderr
    assert result.stdout == "2 failed records would be reset.\n"


def test_validate_and_repair(database: DatabaseManager) -> None:
    assert "nothing found" in queuectl("validate", "--full").output
    filling.add_records(database, 4)
    rollups.fold(database)
    execute(database, CORRUPT)
    execute(
        database,
        "UPDATE processing_queue SET updated_at = now() + interval '1 hour' WHERE status = 'pending'",
    )
    execute(
        database,
        "UPDATE processing_queue SET status = 'cancelled' WHERE id = (SELECT min(id) FROM processing_queue)",
    )
    execute(
        database,
        "INSERT INTO processing_queue (id, flow_name) SELECT max(id) + 1000, 'alpha' FROM processing_queue",
    )
    execute(
        database,
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group)"
        " VALUES (-1, 1, 1, 'a', gen_random_uuid(), 'failed', 'E', 'e', 'e')",
    )
    execute(
        database,
        "INSERT INTO processing_queue (flow_name, status, claim_number, flow_instance_id, claimed_at, error_message)"
        " VALUES ('alpha', 'failed', 1, gen_random_uuid(), now(), 'ValueError: lost')",
    )
    execute(database, "DELETE FROM rollup_hours")
    execute(database, "UPDATE rollup_overall SET enqueued = enqueued + 1")
    execute(database, "UPDATE audit_seal SET number = number + 1")
    assert {v["check"]["name"] for v in as_json("validate", exit_code=1)} >= {
        "claims_without_a_run",
        "sequence_behind",
    }
    dry = as_json("repair")["repaired"]
    assert as_json("repair", "--no-dry-run", "--yes")["repaired"] == dry
    assert all(dry.values()), dry
    queuectl("validate", "--full")
    assert "There is nothing to repair." in queuectl("repair").output
    queuectl("repair", "--no-dry-run", exit_code=64)


# A backup leaves these tables out. During a restore, triggers fill audit_seal from audit_log and rollup_overall from
# rollup_minutes. A backup contains neither the roles nor producer_flows: the owner makes them again.
MADE_ANEW = ("audit_seal", "producer_flows", "rollup_overall")
EMPTY = ("open_slices",)  # only the transaction that writes its rows ever sees them
OF_PROCESSES = ("alert_contacts",)  # within seconds, each process writes here which contacts it can reach


def test_backup_holds_every_table_of_the_queue(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        wanted = {"schema": TEST_SCHEMA, "kept": ["schema_version"]}
        found = {row[0] for row in cursor.execute(ALL_TABLES.encode(), wanted).fetchall()}
    assert found - set(MADE_ANEW) - set(EMPTY) - set(OF_PROCESSES) == set(TABLES)


def test_a_backup_is_restored_as_it_was(database: DatabaseManager, tmp_path: Path) -> None:
    file = tmp_path / "queue.zip"
    filling.add_flow(database)
    filling.add_records(database, 20)
    filling.add_failed(database, 5)
    filling.add_processing(database, 3, filling.add_run(database))
    rollups.fold(database)
    filling.add_records(database, 2)
    everything = (
        "SELECT (SELECT jsonb_agg(q ORDER BY id) FROM processing_queue q),"
        " (SELECT count(*) FROM rollup_deltas), (SELECT jsonb_agg(o ORDER BY minute) FROM rollup_overall o)"
    )
    before = rows(database, everything)
    assert "30 records written" in queuectl("backup", file).output
    queuectl("backup", file, exit_code=1)
    queuectl("restore", file, "--yes", exit_code=1)
    execute(database, "UPDATE queue_control SET ingestion_stopped_at = now()")
    execute(database, "DELETE FROM processing_queue WHERE status = 'pending'")
    assert "would be restored" in queuectl("restore", file, "--replace", "--dry-run").output
    queuectl("restore", file, "--replace", exit_code=64)
    queuectl("restore", file, "--replace", "--yes")
    assert rows(database, everything) == before
    queuectl("validate", "--full")
    assert recount(database) == []
    queuectl("resume", "--ingestion")  # ingestion is still stopped after the restore
    filling.add_records(database, 1)  # the sequence goes on where it was
    queuectl("validate", "--full")


def test_what_is_counted_after_a_restore_is_folded(database: DatabaseManager, tmp_path: Path) -> None:
    filling.add_records(database, 20)
    fold_until(database, "SELECT folded_through_id >= 20 FROM rollup_progress")
    queuectl("backup", tmp_path / "queue.zip")
    queuectl("restore", tmp_path / "queue.zip", "--replace", "--yes")
    filling.add_records(database, 3)
    for _ in range(3):
        rollups.fold(database)
    assert rows(database, "SELECT total FROM rollup_totals") == [(23,)]
    assert recount(database) == []
    queuectl("validate", "--full")


def test_a_file_that_is_no_backup_or_of_another_schema_is_refused(
    database: DatabaseManager, tmp_path: Path
) -> None:
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("nonsense")
    assert "is not a backup" in queuectl("restore", nonsense, "--yes", exit_code=1).output
    file = tmp_path / "queue.zip"
    queuectl("backup", file)
    execute(database, "UPDATE schema_version SET version_num = '0026'")
    try:
        assert "queuectl migrate" in queuectl("restore", file, "--yes", exit_code=1).output
    finally:
        with database.transaction() as cursor:
            cursor.execute("UPDATE schema_version SET version_num = %(v)s", {"v": latest_version()})


def test_the_drill_stops_backs_up_repairs_and_resumes(database: DatabaseManager, tmp_path: Path) -> None:
    filling.add_records(database, 3)
    execute(database, CORRUPT)
    output = queuectl("recover", "--backup", tmp_path / "a.zip", "--wait-seconds", 0, "--yes").output
    assert [line[0] for line in output.splitlines() if line[0].isdigit()] == list("12345")
    assert "5. Resumed" in output
    stopped = "SELECT processing_stopped_at, ingestion_stopped_at FROM queue_control"
    assert rows(database, stopped) == [(None, None)]
    assert rows(database, "SELECT count(*) FROM processing_queue WHERE status = 'pending'") == [(4,)]


def test_what_cannot_be_repaired_keeps_everything_stopped(
    own_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setenv("DATABASE_URL", own_database_url)
    with psycopg.connect(own_database_url) as connection:
        connection.execute("ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions")
    output = queuectl("recover", "--backup", tmp_path / "a.zip", "--yes", exit_code=1).output
    assert "only_known_transitions is missing" in output
    with psycopg.connect(own_database_url) as connection:
        row = connection.execute("SELECT processing_stopped_at IS NOT NULL FROM queue_control").fetchone()
    assert row == (True,)


def test_a_flow_is_tuned_while_it_works(database: DatabaseManager) -> None:
    filling.add_flow(database)
    assert "batches of 10, 1 run." in queuectl("tune", "alpha", "--batch-size", 10, "--max-runs", 1).output
    assert as_json("tune", "alpha", "--reset") == {"flow_name": "alpha", "batch_size": 100, "max_runs": None}
    queuectl("tune", "alpha", exit_code=64)
    queuectl("tune", "alpha", "--batch-size", 0, exit_code=64)
    queuectl("tune", "nowhere", "--batch-size", 5, exit_code=1)
    assert rows(database, "SELECT actor, action, target FROM audit_log") == [("Olga", "tune", "alpha")] * 2
