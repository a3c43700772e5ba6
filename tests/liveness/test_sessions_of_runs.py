"""Rescue ends only the sessions in which a dead run has a transaction open."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import DatabaseUnavailableError
from queue_store.records.record import Record
from queue_store.runs.run import Run
from queue_store.runs.sessions import find_sessions
from tests.support.flow_runs import Worker
from tests.support.store import Store, completed, failed
from tests.support.ways_of_claiming import next_of_each_key, suspects

Step = Callable[[Run, Sequence[Record]], object]

STEPS: dict[str, Step] = {
    "claim": lambda run, _: run.claim(),
    "prefetch": lambda run, _: run.claim(prefetch=True),
    "exchange": lambda run, batch: run.exchange(completed(batch)),
    "write": lambda run, batch: run.write([*completed(batch[:5]), *failed(batch[5:])]),
    "write again": lambda run, batch: run.write_again(completed(batch)),
    "release": lambda run, batch: run.release(batch),
    "cancel": lambda run, batch: run.cancel(batch),
    "end": lambda run, _: run.end(),
    "abandon": lambda run, _: run.abandon(None, "a test"),
}


def sessions(database: DatabaseManager, run: Run) -> int:
    with database.transaction() as cursor:
        return len(find_sessions(cursor, run.flow_instance_id))


@pytest.fixture
def found(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Before each COMMIT of the run, a search counts the run's sessions. This list receives the counts."""
    counts: list[int] = []
    commit = HeldConnection.commit

    def look_and_commit(held: HeldConnection, transaction: Any) -> None:
        if held is watched and not looking:
            looking.append(True)
            counts.append(sessions(store.database, store.watched))  # type: ignore[attr-defined]
            looking.clear()
        commit(held, transaction)

    looking: list[bool] = []
    store.watched = store.run()  # type: ignore[attr-defined]
    watched = store.watched.held  # type: ignore[attr-defined]
    monkeypatch.setattr(HeldConnection, "commit", look_and_commit)
    return counts


@pytest.mark.parametrize("step", STEPS)
def test_every_transaction_of_a_run_that_locks_is_found(store: Store, found: list[int], step: str) -> None:
    store.enqueue(30)
    run: Run = store.watched  # type: ignore[attr-defined]
    batch = run.begin()
    assert len(batch) == 10
    STEPS[step](run, batch)
    assert len(found) >= 2
    assert set(found) == {1}
    assert sessions(store.database, run) == 0


def test_a_claim_of_suspects_is_found(store: Store, found: list[int]) -> None:
    suspects(store, 5)
    run: Run = store.watched  # type: ignore[attr-defined]
    assert len(run.begin()) == 5
    assert found == [1]


def test_a_claim_of_the_next_of_each_key_is_found(store: Store, found: list[int]) -> None:
    next_of_each_key(store, 20)
    run: Run = store.watched  # type: ignore[attr-defined]
    run.begin()
    run.position.scan_keys_for(60)
    assert len(run.claim()) == 10
    assert found == [1, 1]


def with_connection(look: Callable[[], None]) -> Any:
    def handle(payload: int, connection: Connection) -> None:
        look()

    return handle


def with_async_connection(look: Callable[[], None]) -> Any:
    async def handle(payload: int, connection: AsyncConnection) -> None:
        await asyncio.to_thread(look)

    return handle


@pytest.mark.parametrize("kind", [with_connection, with_async_connection])
def test_the_session_of_a_slice_is_found_before_its_handler_is_called(worker: Worker, kind: Any) -> None:
    found: list[int] = []

    def look() -> None:
        current = worker.services.current_run
        assert current is not None
        found.append(sessions(worker.services.database, current.run))

    assert worker.process(kind(look), [1], name="sliced")[0].status == "completed"
    assert found == [1]


def test_a_session_that_works_for_somebody_else_by_now_is_not_ended(store: Store) -> None:
    """Behind a pooler, the next transaction of a session may belong to any client."""
    expected = store.enqueue(10)
    run = store.run()
    run.begin()
    store.age(run)
    with run.held.transaction() as innocent:
        assert store.rescue.sweep().pending_ids == expected
        assert innocent.execute("SELECT 1").fetchall() == [(1,)]


def test_a_dead_run_that_wakes_up_and_locks_records_again_does_not_keep_them(store: Store) -> None:
    expected = store.enqueue(10)
    run = store.run()
    batch = run.begin()
    store.execute("UPDATE flow_execution_logs SET state = 'dead', finished_at = now(), died_running = true")
    transaction = run.held.transaction()
    cursor = transaction.__enter__()
    run.write_in(cursor, completed(batch))
    assert store.rescue.sweep().pending_ids == []
    assert store.rescue.sweep().pending_ids == expected
    with pytest.raises((psycopg.OperationalError, DatabaseUnavailableError)):
        cursor.execute("SELECT 1")


def test_runs_of_the_same_number_do_not_wait_for_each_other(store: Store) -> None:
    store.enqueue(20)
    first, second = store.run(), store.run()
    second.parameters["session_lock"] = first.parameters["session_lock"]
    with first.held.transaction() as cursor:
        cursor.execute(sql("runs/plan_once"), first.parameters)
        done = threading.Event()
        thread = threading.Thread(target=lambda: (second.begin(), done.set()))
        thread.start()
        assert done.wait(30)
        thread.join()
