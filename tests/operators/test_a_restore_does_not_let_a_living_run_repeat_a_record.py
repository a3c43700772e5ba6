"""If a run works during a restore, no record that must not be processed twice runs again because the run had processed
it since the backup. The records that the run still holds go on. Records that the run claimed after the backup are
pending in the backup, so they run again."""

from dataclasses import replace
from pathlib import Path

import pytest

from queue_store.operators.backup import restore_backup, write_backup
from queue_store.readings.integrity import find_violations
from queue_store.records.record import Record
from queue_store.runs.run import Run
from tests.support.store import Store, completed, failed, ids

MUST_NOT_REPEAT = "UPDATE flows SET declared = declared || '{\"max_crash_strikes\": 1}'"
STRICT_SETTING = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_MAX_CRASH_STRIKES"
RECORDS = "SELECT id, status FROM processing_queue ORDER BY id"


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "queue.zip"


def begun(store: Store, backup: Path, count: int = 2, batch_size: int = 1) -> tuple[Run, list[Record]]:
    """Writes a backup in which a run holds its first batch of `count` records. Returns the run and the batch."""
    store.enqueue(count)
    run = store.run(batch_size=batch_size)
    batch = run.begin()
    write_backup(store.database, backup)
    return run, batch


def restore(store: Store, backup: Path) -> None:
    restore_backup(store.database, backup, replace=True)
    with store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []


@pytest.mark.parametrize("is_declared", [True, False])
def test_a_record_that_was_completed_since_the_backup_fails(
    store: Store, backup: Path, monkeypatch: pytest.MonkeyPatch, is_declared: bool
) -> None:
    if is_declared:
        store.execute(MUST_NOT_REPEAT)
    else:
        monkeypatch.setenv(STRICT_SETTING, "1")
        store.settings = replace(store.settings, max_crash_strikes=1)
    run, batch = begun(store, backup)
    run.write(completed(batch))
    run.claim()
    restore(store, backup)
    run.end()
    assert store.rescue.sweep().pending_ids == []
    assert [row[1] for row in store.query(RECORDS)] == ["failed", "pending"]
    attempts = "SELECT record_id, outcome, error_group FROM record_attempts"
    assert store.query(attempts) == [(batch[0].id, "crashed", "WorkerProcessDied")]
    assert store.value("SELECT sum(crashed + failed)::integer FROM rollup_deltas") == 2


def test_only_the_records_that_the_run_still_holds_go_on(store: Store, backup: Path) -> None:
    store.execute(MUST_NOT_REPEAT)
    run, batch = begun(store, backup, count=4, batch_size=4)
    done, held = batch[:3], batch[3:]
    run.write(completed(done))
    restore(store, backup)
    assert run.write(completed(held)).refused_ids == []
    run.end()
    store.rescue.sweep()
    assert store.query(RECORDS) == [
        *((done_id, "failed") for done_id in ids(done)),
        (held[0].id, "completed"),
    ]


def test_an_earlier_claim_of_a_record_that_the_run_holds_again(store: Store, backup: Path) -> None:
    store.execute(MUST_NOT_REPEAT)
    run, batch = begun(store, backup, count=1)
    run.write(failed(batch, retry_delay_seconds=0))
    store.make_due()
    assert ids(run.claim()) == ids(batch)
    restore(store, backup)
    assert store.statuses() == {"failed": 1}


def test_a_record_that_was_asked_to_stop_is_cancelled(store: Store, backup: Path) -> None:
    store.execute(MUST_NOT_REPEAT)
    store.enqueue()
    run = store.run()
    batch = run.begin()
    store.execute("INSERT INTO cancel_requests (record_id, requested_by) VALUES (%s, 'anna')", (batch[0].id,))
    write_backup(store.database, backup)
    run.write(completed(batch))
    restore(store, backup)
    assert store.statuses() == {"cancelled": 1}
    assert store.query("SELECT FROM cancel_requests") == []


def test_a_record_that_may_be_repeated_is_given_back(store: Store, backup: Path) -> None:
    run, batch = begun(store, backup, count=1)
    run.write(completed(batch))
    restore(store, backup)
    run.end()
    assert store.rescue.sweep().pending_ids == ids(batch)
