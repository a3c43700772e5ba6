"""A bulk call may wait until another session commits a record with the same dedup_key. The call then treats its own row
as a duplicate, and returns the id of the other session's record."""

from collections.abc import Iterable
from concurrent.futures import wait
from contextlib import ExitStack
from typing import Any

import pytest

from queue_store import DatabaseManager, DistributedProcessor, NewRecord, enqueue
from queue_store.database.statements import NamedStatement
from queue_store.enqueueing import EnqueuedMany, OnDuplicate, connections
from tests.support.flow_rows import register_flow
from tests.support.locks import PATIENCE_SECONDS, wait_until_blocked_by
from tests.support.store import in_background

WAITING = "enqueueing/enqueue_staging"


@pytest.fixture
def processor(database: DatabaseManager) -> DistributedProcessor:
    register_flow(database, "send_invoice")
    return DistributedProcessor(database)


def bulk_meets_rivals(
    processor: DistributedProcessor, keys: Iterable[str], on_duplicate: OnDuplicate, rivals: Iterable[str]
) -> tuple[EnqueuedMany, dict[str, int]]:
    """Enqueues a record for each of `keys` in one call. Each key of `rivals` has a session of its own. Before the call,
    this session enqueues a record with the key. The session commits when the call waits for this record. Returns the
    call's result and the ids of the sessions' records, by key."""
    rows = [NewRecord({"n": n}, dedup_key=key) for n, key in enumerate(keys)]
    ids: dict[str, int] = {}
    sessions: list[tuple[int, ExitStack]] = []
    with ExitStack() as all_sessions:
        for key in rivals:
            session = all_sessions.enter_context(ExitStack())
            cursor = session.enter_context(processor.database.transaction())
            ids[key] = enqueue(cursor, "send_invoice", {"n": "rival"}, dedup_key=key).id
            [(pid,)] = cursor.execute("SELECT pg_backend_pid()").fetchall()
            sessions.append((pid, session))
        call = in_background(
            lambda: processor.enqueue_many("send_invoice", rows, on_duplicate=on_duplicate, with_ids=True)
        )
        all_sessions.callback(wait, [call], PATIENCE_SECONDS)
        for pid, session in sessions:
            wait_until_blocked_by(processor.database, pid)
            session.close()
    return call.result(PATIENCE_SECONDS), ids


def stored(processor: DistributedProcessor) -> dict[str, Any]:
    with processor.database.transaction() as cursor:
        rows = cursor.execute(
            "SELECT dedup_key, payload -> 'n' FROM processing_queue WHERE status = 'pending'"
        )
        return dict(rows.fetchall())


def test_the_record_that_a_replacing_bulk_waited_for_is_replaced(processor: DistributedProcessor) -> None:
    known = processor.enqueue("send_invoice", {"n": "old"}, dedup_key="a").id
    done, ids = bulk_meets_rivals(processor, ["a", "b", "new"], "replace", ["b"])
    assert (done.inserted_count, done.duplicate_positions, done.running_positions) == (1, [0, 1], [])
    assert done.ids is not None
    assert done.ids[:2] == [known, ids["b"]]
    assert stored(processor) == {"a": 0, "b": 1, "new": 2}


def test_the_record_that_a_skipping_bulk_waited_for_is_kept(processor: DistributedProcessor) -> None:
    """The COPY waits for the session that enqueued b. The next statement waits for the session that enqueued c."""
    known = processor.enqueue("send_invoice", {"n": "old"}, dedup_key="a").id
    done, ids = bulk_meets_rivals(processor, ["a", "b", "c", "new"], "skip", ["b", "c"])
    assert (done.inserted_count, done.duplicate_positions) == (1, [0, 1, 2])
    assert done.ids is not None
    assert done.ids[:3] == [known, ids["b"], ids["c"]]
    assert stored(processor) == {"a": "old", "b": "rival", "c": "rival", "new": 3}


@pytest.mark.parametrize(("on_duplicate", "rivals"), [("replace", ["c"]), ("skip", ["b", "c"])])
def test_if_the_record_ends_at_once_the_row_is_inserted_after_all(
    processor: DistributedProcessor,
    monkeypatch: pytest.MonkeyPatch,
    on_duplicate: OnDuplicate,
    rivals: list[str],
) -> None:
    """The record with the key c ends after the statement that waited for it, and before the next statement."""
    processor.enqueue("send_invoice", {"n": "old"}, dedup_key="a")
    execute = connections._Door.execute
    ended: list[str] = []

    def end_after(door: Any, query: NamedStatement) -> Any:
        found = execute(door, query)
        if query.name == WAITING and not ended:
            with processor.database.transaction() as cursor:
                cursor.execute("UPDATE processing_queue SET status = 'cancelled' WHERE dedup_key = 'c'")
            ended.append("c")
        return found

    monkeypatch.setattr(connections._Door, "execute", end_after)
    done, ids = bulk_meets_rivals(processor, ["a", "b", "c", "new"], on_duplicate, rivals)
    assert ended == ["c"]
    assert 2 not in done.duplicate_positions
    assert done.ids is not None
    assert done.ids[2] != ids["c"]
    assert stored(processor)["c"] == 2
