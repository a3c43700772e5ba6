"""A restore brings back the records, and adds a row to the audit log. The restore does not change whether ingestion or
processing is stopped."""

from pathlib import Path

import psycopg
import pytest

from queue_store import maintenance
from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.operators.backup import restore_backup, write_backup
from queue_store.operators.operators import Operators
from queue_store.readings.integrity import find_violations
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.monitoring.maintenance import nightly_review
from tests.counts.test_rollups import fold_until
from tests.support import filling
from tests.support.restoring import restore_rows
from tests.support.servers import connect
from tests.support.troubles import execute


def test_what_is_stopped_stays_stopped(database: DatabaseManager, tmp_path: Path) -> None:
    write_backup(database, tmp_path / "queue.zip")
    Operators(database).stop_processing(actor="anna", reason="INC-17")
    restore_backup(database, tmp_path / "queue.zip", replace=True)
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT processing_stop_reason, processing_stopped_at IS NOT NULL, ingestion_stopped_at FROM queue_control"
        ).fetchone()
    assert row == ("INC-17", True, None)


def test_the_audit_log_keeps_what_was_done_since_and_tells_of_the_restore(
    database: DatabaseManager, tmp_path: Path
) -> None:
    operators = Operators(database)
    operators.stop_processing(actor="before")
    write_backup(database, tmp_path / "queue.zip")
    operators.stop_ingestion(None, actor="since")
    restore_backup(database, tmp_path / "queue.zip", replace=True, actor="olga")
    with database.transaction() as cursor:
        rows = cursor.execute("SELECT actor, action FROM audit_log ORDER BY id").fetchall()
    assert rows == [("before", "stop_processing"), ("since", "stop_ingestion"), ("olga", "restore")]


def test_the_counts_of_a_server_with_higher_transaction_numbers_are_folded(
    database: DatabaseManager, tmp_path: Path
) -> None:
    filling.add_records(database, 3)
    rollups.fold(database)
    filling.add_records(database, 3)
    execute(
        database,
        "UPDATE rollup_progress SET candidate_id = folded_through_id + 5, candidate_transaction = '9000000000'",
    )
    write_backup(database, tmp_path / "queue.zip")
    restore_backup(database, tmp_path / "queue.zip", replace=True)
    for _ in range(3):
        filling.add_records(database, 1)
        rollups.fold(database)
    fold_until(
        database,
        "SELECT p.folded_through_id >= d.last_value - 1 FROM rollup_progress p, rollup_deltas_id_seq d",
    )
    with database.transaction() as cursor:
        row = cursor.execute("SELECT sum(total)::integer FROM rollup_totals").fetchone()
    assert row == (9,)


def test_validate_does_not_promise_a_repair_that_there_is_not(own_database_url: str) -> None:
    with psycopg.connect(own_database_url) as connection:
        connection.execute("ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_state")
        connection.execute("INSERT INTO processing_queue (flow_name, status) VALUES ('alpha', 'completed')")
        restore_rows(connection.cursor())
        connection.execute(
            "INSERT INTO processing_queue (flow_name, status, claimed_at, flow_instance_id)"
            " VALUES ('alpha', 'processing', now(), gen_random_uuid())"
        )
    database = connect(own_database_url)
    with maintenance.begin(database, "repair", dry_run=False, actor="anna") as run:
        maintenance.repair(run)
    with database.transaction() as cursor:
        left = [v.check for v in find_violations(cursor, full=True) if v.record_id is not None]
    database.dispose()
    assert [check.name for check in left] == ["states_beyond_repair"]
    assert "queuectl repair" not in left[0].repair


def test_corrections_of_the_night_are_a_finding_until_a_night_without(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    filling.add_records(database, 3)
    rollups.fold(database)
    execute(database, "UPDATE processing_queue SET status = 'cancelled'")
    nightly_review()
    found = {f.code: f for f in check_queue(database, ProcessorSettings(), notify=False).findings}
    assert "the counts of 1 flow: alpha" in found["counts_corrected"].message
    nightly_review()
    found = {f.code: f for f in check_queue(database, ProcessorSettings(), notify=False).findings}
    assert "counts_corrected" not in found
