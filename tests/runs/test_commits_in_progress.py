"""If the connection breaks while the server still executes a COMMIT, the run waits for that COMMIT before it writes
anything again. So nothing is counted twice."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import Cursor

from queue_store.database.held_connection import HeldConnection
from queue_store.database.statements import sql
from queue_store.errors import CommitUnknownError
from queue_store.runs import commit_in_doubt, sessions
from tasks.run_loop import abort_process as aborting
from tests.runs.test_lost_commits import COUNTED
from tests.support.flow_runs import Worker, running_worker
from tests.support.locks import wait_until_blocked
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect
from tests.support.store import Store, completed, ids, in_background

pytestmark = direct_only

SLOW_COMMIT = """
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON processing_queue DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.status = 'completed') EXECUTE FUNCTION wait_at_the_gate()
"""
SHUT = "SELECT pg_advisory_xact_lock(1)"


class BreakingCommit:
    """Sends the next COMMIT of this thread, and breaks the connection before the reply."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.was_sent = threading.Event()
        self._thread: threading.Thread | None = None
        self._commit = HeldConnection.commit

        def commit(held: HeldConnection, transaction: Any) -> None:
            self.send(held, transaction)

        monkeypatch.setattr(HeldConnection, "commit", commit)

    def arm(self) -> None:
        self._thread = threading.current_thread()

    def send(self, held: HeldConnection, transaction: Any) -> None:
        if threading.current_thread() is not self._thread or self.was_sent.is_set():
            return self._commit(held, transaction)
        held.driver.pgconn.send_query(b"COMMIT")
        self.was_sent.set()
        held.invalidate()
        raise CommitUnknownError("the connection broke during COMMIT")


@contextmanager
def worker_and_gate(
    url: str, monkeypatch: pytest.MonkeyPatch, **settings: float
) -> Iterator[tuple[Worker, Cursor[Any]]]:
    """The gate is open until SHUT is executed over its cursor. It opens again at the end of the block."""
    manager = connect(url)
    with running_worker(url, monkeypatch, **settings) as worker, manager.hold() as gate:
        with gate.transaction() as cursor:
            cursor.connection.execute(SLOW_COMMIT)
        with gate.transaction() as cursor:
            yield worker, cursor
    manager.dispose()


@pytest.mark.parametrize("express", [False, True])
def test_outcomes_whose_commit_is_in_progress_are_not_written_again(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch, express: bool
) -> None:
    breaking = BreakingCommit(monkeypatch)
    with worker_and_gate(own_database_url, monkeypatch) as (worker, gate):

        def handle(payload: int) -> None:
            if payload == 3:
                gate.execute(SHUT)
                breaking.arm()

        flow = worker.declare(handle, name="sample", batch_size=2, express=express)
        worker.enqueue("sample", range(4))
        running = in_background(lambda: worker.run(flow))
        assert breaking.was_sent.wait(30)
        wait_until_blocked(worker.services.database, sessions=2)
        gate.connection.rollback()
        running.exception(30)  # a run that the COMMIT has ended is over
        assert worker.query(COUNTED) == [(4, 0, 0, 0, 0, 4)]
        assert worker.query("SELECT records_refused FROM flow_execution_logs") == [(0,)]


def test_outcomes_that_are_being_written_are_not_written_again_by_a_process_that_ends(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sessions.SHORT_WAIT, "lock_timeout", "30s")
    has_ended, may_return = threading.Event(), threading.Event()
    monkeypatch.setattr(aborting, "end_process", has_ended.set)
    with worker_and_gate(own_database_url, monkeypatch, micro_batch_seconds=0.05) as (worker, gate):
        gate.execute(SHUT)

        def handle(payload: int) -> None:
            if payload == 1:
                may_return.wait(30)

        flow = worker.declare(handle, name="sample", concurrency=2, time_limit_seconds=1)
        worker.enqueue("sample", range(2))
        running = in_background(lambda: worker.run(flow))
        wait_until_blocked(worker.services.database, sessions=2)
        gate.connection.rollback()
        assert has_ended.wait(30)
        [counted] = worker.query(
            "SELECT sum(completed) AS completed, sum(refused) AS refused FROM rollup_deltas"
        )
        assert (counted.completed, counted.refused) == (1, 0)
        worker.services.is_ending = False  # this process goes on
        may_return.set()
        running.exception(30)


def test_the_session_of_a_broken_connection_is_ended_if_it_stays_open(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has not noticed that the connection is broken, so it keeps the transaction open."""
    monkeypatch.setattr(commit_in_doubt, "PATIENCE", {"lock_timeout": "50ms"})
    store.enqueue(2)
    run, broken = store.run(batch_size=2), store.held()
    batch = run.begin()
    broken.driver.execute(sql("runs/plan_once"), run.parameters)
    commit_in_doubt.reopen_in_doubt(run)
    assert run.write_again(completed(batch)).completed_ids == ids(batch)
    with pytest.raises(psycopg.OperationalError):
        broken.driver.execute("SELECT 1")
    broken.invalidate()
