"""Each heartbeat says which record its process has in hand, since when, and under which claim and run."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection

from queue_store.liveness import worker_processes
from tasks.background.heartbeat import Heartbeat
from tests.support.flow_runs import Worker

IN_HAND = """
SELECT in_hand_record_id AS record_id, in_hand_claim_number AS claim_number, in_hand_flow_name AS flow_name,
    in_hand_run_id AS run_id, in_hand_since AS since
FROM worker_processes
"""


FIRST, PASSING, LAST = "first", "passing", "last"


class Gate:
    """Handlers that announce each call, and wait until they may return.

    The call for PASSING is not announced, and returns as soon as FIRST has begun. LAST can begin only when PASSING has
    returned. So LAST begins after FIRST, whichever thread is faster."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self._first_began = threading.Event()
        self._open = threading.Event()

    def plain(self, payload: Any) -> None:
        if payload == PASSING:
            assert self._first_began.wait(60)
            return
        if payload == FIRST:
            self._first_began.set()
        self.entered.release()
        assert self._open.wait(60)

    def open(self) -> None:
        self._open.set()

    async def awaited(self, payload: Any) -> None:
        await asyncio.to_thread(self.plain, payload)

    def with_connection(self, payload: Any, connection: Connection) -> None:
        self.plain(payload)

    def of_batch(self, records: Any) -> None:
        self.plain(FIRST)


@contextmanager
def at_work(worker: Worker, gate: Gate, handler: Callable[..., Any], **options: Any) -> Iterator[list[int]]:
    """Within this block, the handler works on the first of three records and, with `concurrency=2`, on the last."""
    flow = worker.declare(handler, name="gated", **options)
    ids = worker.enqueue("gated", [FIRST, PASSING, LAST])
    thread = threading.Thread(target=worker.run, args=(flow,))
    thread.start()
    try:
        for _ in range(options.get("concurrency", 1)):
            assert gate.entered.acquire(timeout=60)
        yield ids
    finally:
        gate.open()
        thread.join()


WAYS: dict[str, tuple[Callable[[Gate], Callable[..., Any]], dict[str, Any]]] = {
    "one by one": (lambda gate: gate.plain, {}),
    "with a time limit": (lambda gate: gate.plain, {"time_limit_seconds": 60}),
    "in threads": (lambda gate: gate.plain, {"concurrency": 2}),
    "in threads with a time limit": (lambda gate: gate.plain, {"concurrency": 2, "time_limit_seconds": 60}),
    "async": (lambda gate: gate.awaited, {"concurrency": 2}),
    "one commit": (lambda gate: gate.with_connection, {}),
    "a batch": (lambda gate: gate.of_batch, {"batch": True}),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_heartbeat_says_what_is_in_hand_and_that_nothing_is(way: str, worker: Worker) -> None:
    """If several records are in hand, the heartbeat names the one that began first."""
    gate = Gate()
    handler, options = WAYS[way]
    heartbeat = Heartbeat(worker.services)
    with at_work(worker, gate, handler(gate), **options) as ids:
        heartbeat.beat()
        (said,) = worker.query(IN_HAND)
        (record,) = worker.query("SELECT * FROM processing_queue WHERE id = %(id)s", id=ids[0])
        assert (said.record_id, said.claim_number, said.flow_name) == (ids[0], record.claim_number, "gated")
        assert said.run_id == record.flow_instance_id
        assert said.since >= record.claimed_at
    heartbeat.beat()
    (said,) = worker.query(IN_HAND)
    assert said == (None, None, None, None, None)


def test_a_process_that_no_longer_beats_keeps_what_it_said_last(worker: Worker) -> None:
    gate = Gate()
    heartbeat = Heartbeat(worker.services)
    with at_work(worker, gate, gate.plain) as ids:
        heartbeat.beat()
        with worker.services.database.transaction() as cursor:
            worker_processes.stop(cursor, worker.services.process.worker_process_id)
        dead = worker.services.process.worker_process_id
        worker.services.rescue.lost([dead])
    assert [(row.record_id, row.flow_name) for row in worker.query(IN_HAND)] == [(ids[0], "gated")]
