"""`queuectl recover` changes only what it must. Ingestion or processing that an operator had stopped stays stopped."""

import threading
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.operators.operators import Operators
from queue_store.settings import ProcessorSettings
from tasks.cli import main
from tests.support import filling
from tests.support.store import Store, completed, in_background

SWITCHES = "SELECT ingestion_stopped_at IS NOT NULL, processing_stopped_at IS NOT NULL FROM queue_control"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)


def recover(file: Path, exit_code: int = 0) -> Any:
    result = CliRunner().invoke(main, ["recover", "--backup", str(file), "--wait-seconds", "0", "--yes"])
    assert result.exit_code == exit_code, result.output
    return result


def switches(database: DatabaseManager) -> tuple[Any, ...] | None:
    with database.transaction() as cursor:
        return cursor.execute(SWITCHES).fetchone()


@pytest.mark.parametrize("name", ["here.zip", "nowhere/queue.zip"])
def test_a_file_that_cannot_be_written_is_noticed_before_anything_is_stopped(
    database: DatabaseManager, tmp_path: Path, name: str
) -> None:
    (tmp_path / "here.zip").write_text("an older backup")
    assert "choose" in recover(tmp_path / name, exit_code=1).output
    assert switches(database) == (False, False)


def test_a_backup_that_fails_says_how_to_go_on(
    database: DatabaseManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("queue_store.operators.backup.copy_out", full)
    result = CliRunner().invoke(main, ["recover", "--backup", str(tmp_path / "a.zip"), "--yes"])
    assert result.exit_code == 1
    assert "Not resumed: solve the problem first, then call queuectl resume --all" in result.output
    assert switches(database) == (True, True)


def test_what_an_operator_had_stopped_stays_stopped(database: DatabaseManager, tmp_path: Path) -> None:
    Operators(database).stop_ingestion(None, actor="anna", reason="INC-17")
    output = recover(tmp_path / "a.zip").output
    assert "Ingestion: still stopped, as before. Resume with: queuectl resume --all" in output
    assert switches(database) == (True, False)


def test_repair_performs_the_cancellation_that_was_asked_for(store: Store, tmp_path: Path) -> None:
    record_id, other_id = store.enqueue(2)
    store.run().begin()
    Operators(store.database).cancel([record_id], actor="anna")
    store.execute("DELETE FROM flow_execution_logs")
    recover(tmp_path / "a.zip")
    assert (store.status(record_id), store.status(other_id)) == ("cancelled", "pending")
    assert store.value("SELECT count(*) FROM cancel_requests") == 0


def test_repair_does_not_take_a_record_from_its_new_owner(store: Store) -> None:
    """When repair reads the record, the run that claimed it has no row. Before repair locks the record, another run
    claims it."""
    (record_id,) = store.enqueue(1)
    store.run().begin()
    store.execute("DELETE FROM flow_execution_logs")
    repairer, owner = store.held(), store.run()
    with store.database.transaction() as gate:
        gate.execute("SELECT pg_advisory_xact_lock(8)")
        repaired = in_background(lambda: repair_behind_a_gate(repairer))
        store.wait_until_blocked(repairer)
        store.execute(
            "UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL"
        )
        batch = owner.begin()
    assert repaired.result(30) == []
    assert owner.write(completed(batch)).completed_ids == [record_id]


def repair_behind_a_gate(repairer: Any) -> list[int]:
    """Executes the repair statement. The statement waits for an advisory lock after it has taken its snapshot, and
    before it locks rows."""
    statement = sql("maintenance/repair/claims_without_a_run")
    for before, after in [
        (b"WITH ", b"WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock(8)), "),
        (b"WHERE q.status", b"WHERE EXISTS (SELECT FROM gate) AND q.status"),
    ]:
        assert before in statement
        statement = statement.replace(before, after, 1)
    with repairer.transaction() as cursor:
        return [row[0] for row in cursor.execute(statement, {"limit": 10, "dry_run": False}).fetchall()]


def test_short_pauses_inside_transactions_are_no_trouble(database: DatabaseManager) -> None:
    from tasks.monitoring.rules.database_rules import idle_in_transaction
    from tasks.monitoring.snapshot import take_snapshot

    filling.add_flow(database)
    barrier, ended = threading.Barrier(7), threading.Event()

    def pause() -> None:
        with database.transaction() as cursor:
            cursor.execute("SELECT 1")
            barrier.wait(20)
            ended.wait(20)

    threads = [threading.Thread(target=pause) for _ in range(6)]
    for thread in threads:
        thread.start()
    barrier.wait(20)
    try:
        snapshot = take_snapshot(database, ProcessorSettings())
        assert sum(c.idle_in_transaction_count for c in snapshot.server.connections) >= 6
        assert list(idle_in_transaction(snapshot)) == []
    finally:
        ended.set()
        for thread in threads:
            thread.join()
