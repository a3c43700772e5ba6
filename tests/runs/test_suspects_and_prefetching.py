"""In a concurrent flow whose backlog never ends, suspects wait for at most `aging_claims` other claims. Their batch
contains no other records. A flow without suspects never has to pause for them."""

import asyncio
import threading
from typing import Any

import pytest

from tests.support.flow_runs import Worker
from tests.support.store import Store, completed, ids
from tests.workers.processes import wait_until

BACKLOG = 400


def suspect(store: Store, record_id: int) -> None:
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE id = %s", (record_id,))


def prefetched_sizes(store: Store, run: Any, count: int) -> list[int]:
    return [len(run.claim(prefetch=True)) for _ in range(count)]


def test_a_claim_in_advance_finds_nothing_while_suspects_are_due(store: Store) -> None:
    *_, last = store.enqueue(BACKLOG)
    run = store.run()
    run.begin()
    suspect(store, last)
    assert prefetched_sizes(store, run, 21) == [10] * 18 + [0] * 3
    assert ids(run.claim()) == [last]
    assert len(run.claim()) == 10
    assert prefetched_sizes(store, run, 10) == [10] * 10


def test_the_outcomes_are_written_before_that(store: Store) -> None:
    *_, last = store.enqueue(BACKLOG)
    run = store.run()
    batch = run.begin()
    suspect(store, last)
    prefetched_sizes(store, run, 18)
    written, records = run.exchange(completed(batch))
    assert (len(written.completed_ids), records) == (10, [])
    assert run.claim(prefetch=True) == []


@pytest.mark.parametrize("why", ["none", "later", "another flow", "processing", "blocked"])
def test_without_a_due_suspect_no_claim_in_advance_is_empty(store: Store, why: str) -> None:
    store.add_flow("other")
    [others] = store.enqueue(1, flow_name="other")
    first, second = store.enqueue(2, order_key="k", priority=9)
    store.enqueue(BACKLOG)
    run = store.run()
    run.begin()
    match why:
        case "later":
            suspect(store, second)
            store.execute(
                "UPDATE processing_queue SET scheduled_at = now() + interval '1 hour' WHERE id = %s",
                (second,),
            )
        case "another flow":
            suspect(store, others)
        case "processing":
            suspect(store, first)
            other = store.run()
            assert ids(other.begin()) == [first]
        case "blocked":
            suspect(store, second)
        case _:
            pass
    assert prefetched_sizes(store, run, 21) == [10] * 21


@pytest.mark.parametrize("kind", ["threads", "tasks"])
def test_a_run_with_a_standing_backlog_claims_the_suspect(worker: Worker, kind: str) -> None:
    """Each handler waits until the run has an unstarted record, or until the run's next claim looks for suspects. So
    the run always prefetches."""
    lock, begun = threading.Lock(), list[int]()

    def may_end() -> bool:
        run = worker.services.current_run.run  # type: ignore[union-attr]
        has_more = run.counts.records_claimed > len(begun)
        return has_more or run.claimer.next_is_for_suspects or len(begun) >= BACKLOG

    def begin(payload: int) -> None:
        with lock:
            begun.append(payload)
            if len(begun) == 1:
                worker.query("UPDATE processing_queue SET batch_limit = 1 WHERE payload = '0'")

    def in_threads(payload: int) -> None:
        begin(payload)
        wait_until(may_end, "the next batch")

    async def as_tasks(payload: int) -> None:
        begin(payload)
        async with asyncio.timeout(30):
            while not may_end():  # noqa: ASYNC110 - threads share this test
                await asyncio.sleep(0.001)

    handler = in_threads if kind == "threads" else as_tasks
    flow = worker.declare(handler, name="sample", concurrency=2, batch_size=5, express=False, max_retries=0)
    worker.enqueue("sample", [*range(1, BACKLOG), 0])
    worker.run(flow)
    assert worker.statuses() == {"completed": BACKLOG}
    assert begun.index(0) <= 21 * 5
