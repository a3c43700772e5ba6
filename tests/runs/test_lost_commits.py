"""If the answer to a COMMIT is lost, the COMMIT may or may not have happened. In both cases nothing is counted
twice, and nothing is left behind."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.errors import CommitUnknownError, ConflictError, DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.liveness.worker_processes import WorkerProcess
from queue_store.records.record import Snooze
from queue_store.runs.claimer import Claimer
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.run import Run
from tasks import PermanentError
from tests.support.flow_runs import Worker, running_worker
from tests.support.locks import wait_until_blocked
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect
from tests.support.store import Store, completed, exchange, failed, ids, in_background

SLOW_COMMIT = """
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON flow_execution_logs DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()
"""

COUNTED = """
SELECT sum(completed) AS completed, sum(retried) AS retried, sum(failed) AS failed, sum(snoozed) AS snoozed,
    sum(refused) AS refused,
    (SELECT sum(durations) FROM rollup_deltas, unnest(processing_histogram) durations) AS attempts
FROM rollup_deltas
"""


def lose_the_answer(monkeypatch: pytest.MonkeyPatch, *, has_happened: bool) -> None:
    """Loses the answer to the next COMMIT of a held connection."""
    commit = HeldConnection.commit
    lost: list[int] = []

    def lose(held: HeldConnection, transaction: Any) -> None:
        if lost:
            return commit(held, transaction)
        lost.append(1)
        if has_happened:
            commit(held, transaction)
        else:
            transaction.rollback()
        held.invalidate()
        raise CommitUnknownError(
            "the connection broke during COMMIT: read the rows to see whether they were written"
        )

    monkeypatch.setattr(HeldConnection, "commit", lose)


def test_a_run_whose_beginning_is_unknown_ends_and_its_records_are_charged_nothing(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run must end itself. If another process declared the run dead, the run's only record would get a crash
    strike."""
    flow = worker.declare(lambda payload: None, name="sample")
    record_ids = worker.enqueue("sample", [1])
    lose_the_answer(monkeypatch, has_happened=True)
    with pytest.raises(CommitUnknownError):
        worker.run(flow)
    [run] = worker.query("SELECT state, error_message FROM flow_execution_logs")
    assert run.state == "ended"
    assert "during COMMIT" in run.error_message
    assert worker.services.rescue.sweep().pending_ids == record_ids
    assert worker.rows(record_ids)[0].crash_strikes == 0


@direct_only
def test_a_beginning_that_is_committed_later_is_waited_for(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection breaks while the server still executes the COMMIT."""
    commit, sent = HeldConnection.commit, threading.Event()

    def send_and_go(held: HeldConnection, transaction: Any) -> None:
        if sent.is_set():
            return commit(held, transaction)
        held.driver.pgconn.send_query(b"COMMIT")
        sent.set()
        held.invalidate()
        raise CommitUnknownError(
            "the connection broke during COMMIT: read the rows to see whether they were written"
        )

    manager = connect(own_database_url)
    with running_worker(own_database_url, monkeypatch) as worker, manager.hold() as gate:
        with gate.transaction() as cursor:
            cursor.connection.execute(SLOW_COMMIT)
        flow = worker.declare(lambda payload: None, name="sample")
        record_ids = worker.enqueue("sample", [1])
        with gate.transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(1)")
            monkeypatch.setattr(HeldConnection, "commit", send_and_go)
            running = in_background(lambda: worker.run(flow))
            assert sent.wait(30)
            wait_until_blocked(worker.services.database, sessions=2)
        with pytest.raises(CommitUnknownError):
            running.result(30)
        [run] = worker.query("SELECT state, died_running FROM flow_execution_logs")
        assert (run.state, run.died_running) == ("ended", False)
        assert worker.services.rescue.sweep().pending_ids == record_ids
        assert worker.rows(record_ids)[0].crash_strikes == 0
    manager.dispose()


def test_a_run_that_never_began_is_not_missed(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = worker.declare(lambda payload: None, name="sample")
    worker.enqueue("sample", [1])
    lose_the_answer(monkeypatch, has_happened=False)
    with pytest.raises(CommitUnknownError):
        worker.run(flow)
    assert worker.query("SELECT state FROM flow_execution_logs") == []
    worker.run(flow)
    assert worker.statuses() == {"completed": 1}


@pytest.mark.parametrize("error", [ConflictError("again"), DatabaseUnavailableError("away")])
@pytest.mark.parametrize(("owner", "step"), [(Run, "claim"), (Claimer, "oldest_waiting_level")])
def test_what_was_written_before_a_claim_that_failed_counts_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, error: Exception, owner: type, step: str
) -> None:
    """The claim fails in a second transaction, after the outcomes were committed."""
    original: Callable[..., Any] = getattr(owner, step)
    errors = [error]

    def fail_once(*arguments: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, step, fail_once)
    if owner is Claimer:
        monkeypatch.setattr(QueuePosition, "next_is_aging", property(lambda position: bool(started)))
    started: list[int] = []
    flow = worker.declare(started.append, name="sample", batch_size=10)
    worker.enqueue("sample", range(10))
    counts = worker.run(flow)
    assert not errors
    assert (counts.records_completed, counts.records_refused) == (10, 0)
    assert worker.query("SELECT records_completed, records_refused FROM flow_execution_logs") == [(10, 0)]
    assert worker.query("SELECT sum(refused) AS refused FROM rollup_deltas")[0].refused == 0


def test_what_was_written_before_is_told_by_its_status(store: Store) -> None:
    record_ids = store.enqueue(3)
    run = store.run()
    batch = run.begin()
    outcomes = [*completed(batch[:2]), *failed(batch[2:])]
    with run.held.transaction() as cursor:
        run.write_in(cursor, outcomes)
    written = run.write_again(outcomes)
    assert written.completed_ids == record_ids[:2]
    assert written.failed_ids == record_ids[2:]
    assert written.refused_ids == []
    assert store.query(COUNTED) == [(2, 0, 1, 0, 0, 3)]


def test_retries_and_snoozes_that_were_written_before_are_told_too(store: Store) -> None:
    record_ids = store.enqueue(3)
    run = store.run()
    batch = run.begin()
    outcomes = [*failed(batch[:2], 60), Snooze(batch[2], 60)]
    run.write(outcomes)
    store.execute("UPDATE processing_queue SET scheduled_at = now() WHERE id = %s", record_ids[:1])
    assert ids(run.claim()) == record_ids[:1]
    written = run.write_again(outcomes)
    assert (written.retried_ids, written.snoozed_ids, written.refused_ids) == (
        record_ids[:2],
        record_ids[2:],
        [],
    )
    assert store.query(COUNTED) == [(0, 2, 0, 1, 0, 2)]


def test_an_interrupted_writing_counts_once(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail_some(payload: int) -> None:
        if payload == 0:
            lose_the_answer(monkeypatch, has_happened=True)
        if payload >= 7:
            raise PermanentError

    flow = worker.declare(fail_some, name="sample", batch_size=10)
    worker.enqueue("sample", range(10))
    counts = worker.run(flow)
    assert (counts.records_completed, counts.records_failed, counts.records_refused) == (7, 3, 0)
    assert worker.query(COUNTED) == [(7, 0, 3, 0, 0, 10)]


def test_a_worker_process_may_be_registered_again(store: Store) -> None:
    process = WorkerProcess(worker_id=uuid4(), hostname="host", pid=1)
    for _ in range(2):
        with store.database.transaction() as cursor:
            worker_processes.register(cursor, process)
    with store.database.transaction() as cursor:
        assert worker_processes.beat(cursor, process.worker_process_id)


def test_a_worker_process_that_was_declared_dead_is_not_revived_by_registering(store: Store) -> None:
    process = WorkerProcess(worker_id=uuid4(), hostname="host", pid=1)
    with store.database.transaction() as cursor:
        worker_processes.register(cursor, process)
    store.rescue.lost([process.worker_process_id])
    with store.database.transaction() as cursor:
        worker_processes.register(cursor, process)
        assert not worker_processes.beat(cursor, process.worker_process_id)


def test_a_claim_that_is_written_with_outcomes_goes_on_where_it_found_nothing(store: Store) -> None:
    first = store.enqueue(10)
    run = store.run()
    batch = run.begin()
    assert ids(batch) == first
    following = store.enqueue(3)
    written, records = exchange(run, completed(batch))
    assert (written.completed_ids, ids(records)) == (first, following)


def test_an_interrupt_at_the_beginning_of_a_savepoint_leaves_nothing_behind(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    """psycopg acts as if the savepoint were still open, and refuses the ROLLBACK."""
    with suppress(KeyboardInterrupt), database.transaction() as cursor:
        pid = cursor.connection.info.backend_pid
        savepoint = cursor.connection.transaction()
        savepoint.__enter__()
        raise KeyboardInterrupt
    assert caplog.records == []
    with database.transaction() as cursor:
        assert cursor.connection.info.backend_pid != pid
