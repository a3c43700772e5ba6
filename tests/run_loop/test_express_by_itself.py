"""A flow becomes express by itself, and remains express only while express slices keep every promise of ordinary
claims. If a slice would break a promise, the flow's records are claimed in the normal way again."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import psycopg
import pytest

from queue_store.settings import ProcessorSettings
from tasks import FlowContext, PermanentError, SnoozeRecord
from tasks.authoring.declaration import declare
from tasks.run_loop import slice_size
from tasks.run_loop.express import FEWEST_RECORDS, may_be_express
from tasks.worker.quick_batches import ENOUGH_BATCHES
from tests.run_loop.test_express_commits import asynchronous as commits_asynchronously, plain as commits
from tests.support.express import KINDS, Seen, asynchronous, plain
from tests.support.flow_runs import Worker

REPLACE = """
SELECT what FROM enqueue_or_explain('sample', '{"new": 1}', NULL, NULL, NULL, %s, 'replace', NULL, NULL, NULL, false)
"""
A_RUN_DIED = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, state, finished_at)
VALUES (gen_random_uuid(), 'sample', gen_random_uuid(), 'dead', now())
"""


def one_commit(seen: Seen) -> Callable[..., Any]:
    def handle(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
        seen.look([context.record_id])

    return handle


def asynchronous_commit(seen: Seen) -> Callable[..., Any]:
    async def handle(payload: Any, connection: "psycopg.AsyncConnection[Any]", context: FlowContext) -> None:
        await asyncio.to_thread(seen.look, [context.record_id])

    return handle


pytestmark = pytest.mark.usefixtures("by_itself")
ALL_KINDS = [*KINDS, (one_commit, {}), (asynchronous_commit, {})]


def lengths(statuses: Sequence[str]) -> list[tuple[str, int]]:
    return [(status, len(list(group))) for status, group in groupby(statuses)]


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize(("kind", "options"), ALL_KINDS)
def test_a_flow_is_express_by_itself_after_clean_batches(
    worker: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    """On a busy machine, an asynchronous run may finish several batches together. They count as one batch."""
    flow = worker.declare(kind(seen), name="sample", batch_size=2, **options)
    record_ids = worker.enqueue("sample", range(36))
    worker.run(flow)
    [(first, claimed), (second, _)] = lengths(seen.statuses)
    assert (first, second) == ("processing", "pending")
    assert claimed >= 2 * ENOUGH_BATCHES if kind is asynchronous else claimed == 2 * ENOUGH_BATCHES
    assert {(row.status, row.claim_number) for row in worker.rows(record_ids)} == {("completed", 1)}


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize(("kind", "options"), ALL_KINDS)
def test_a_flow_that_asks_for_it_is_express_from_its_first_slice(
    worker: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    flow = worker.declare(kind(seen), name="sample", batch_size=2, express=True, **options)
    worker.enqueue("sample", range(8))
    worker.run(flow)
    assert lengths(seen.statuses) == [("processing", 2), ("pending", 6)]


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize(("kind", "options"), ALL_KINDS)
def test_a_flow_that_does_not_want_it_is_never_express(
    worker: Worker, seen: Seen, kind: Any, options: Any
) -> None:
    flow = worker.declare(kind(seen), name="sample", batch_size=2, express=False, **options)
    worker.enqueue("sample", range(12))
    worker.run(flow)
    assert lengths(seen.statuses) == [("processing", 12)]


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize(("batch_size", "second"), [(19, "processing"), (20, "pending")])
def test_a_flow_of_small_batches_is_not_express_by_itself(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch, batch_size: int, second: str
) -> None:
    monkeypatch.setattr("tasks.run_loop.express.FEWEST_RECORDS", FEWEST_RECORDS)
    flow = worker.declare(plain(seen), name="sample", batch_size=batch_size)
    worker.enqueue("sample", range(batch_size * (ENOUGH_BATCHES + 1)))
    worker.run(flow)
    assert seen.statuses[-1] == second


class InAdvance:
    def __init__(self, seen: Seen, at: int, later: int) -> None:
        self.seen = seen
        self.at = at
        self.later = later
        self.record_ids: list[int] = []

    async def __call__(self, payload: int) -> None:
        if payload == self.at:
            await asyncio.to_thread(self.seen.wait_until_claimed, self.record_ids[self.later])


def test_an_asynchronous_flow_claims_in_advance_while_it_is_not_express(worker: Worker, seen: Seen) -> None:
    handler = InAdvance(seen, at=3, later=4)
    flow = worker.declare(handler, name="sample", batch_size=4)
    handler.record_ids = worker.enqueue("sample", range(8))
    worker.run(flow)
    assert worker.statuses() == {"completed": 8}


@pytest.mark.usefixtures("at_once")
def test_an_asynchronous_flow_of_which_a_run_died_claims_in_advance(worker: Worker, seen: Seen) -> None:
    worker.query(A_RUN_DIED)
    handler = InAdvance(seen, at=7, later=8)
    flow = worker.declare(handler, name="sample", batch_size=4)
    handler.record_ids = worker.enqueue("sample", range(12))
    worker.run(flow)
    assert worker.statuses() == {"completed": 12}


@pytest.mark.usefixtures("at_once")
def test_where_the_last_claim_was_not_full_nobody_holds(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_need(*_: object) -> None:
        raise AssertionError("looked for a slice")

    monkeypatch.setattr("tasks.run_loop.express.hold", no_need)
    flow = worker.declare(plain(seen), name="sample", batch_size=4)
    worker.enqueue("sample", range(3))
    worker.run(flow)
    assert seen.statuses == ["processing"] * 3


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize("kind", [plain, one_commit])
def test_a_flow_that_is_thrown_back_again_and_again_is_tried_less_and_less_often(
    worker: Worker, seen: Seen, kind: Any
) -> None:
    looking = kind(seen)

    def in_a_slice() -> None:
        if seen.statuses[-1] == "pending":
            raise PermanentError("not in a slice")

    def handle(payload: Any, context: FlowContext) -> None:
        looking(payload, context)
        in_a_slice()

    def handle_in(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
        looking(payload, connection, context)
        in_a_slice()

    flow = worker.declare(handle if kind is plain else handle_in, name="sample", batch_size=1)
    worker.enqueue("sample", range(60))
    worker.run(flow)
    classic = [count for status, count in lengths(seen.statuses) if status == "processing"]
    assert classic[:4] == [3, 6, 12, 24]
    is_charged = kind is plain  # otherwise the slice is rolled back, and its record is claimed and completed
    assert worker.statuses() == ({"completed": 56, "failed": 4} if is_charged else {"completed": 60})


FAILURES = [ValueError("again"), PermanentError("no"), SnoozeRecord(3600)]


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("kind", [plain, asynchronous])
@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
def test_a_slice_ends_after_a_record_that_is_not_completed(
    worker: Worker, seen: Seen, monkeypatch: pytest.MonkeyPatch, kind: Any, failure: Exception
) -> None:
    """When a handler fails, its slice ends, and the next records are claimed in the normal way. So a handler that fails
    only in slices costs one attempt, not one attempt for each record of the slice."""
    quick = worker.services.quick_batches["sample"]
    monkeypatch.setattr(
        type(quick), "are_enough", property(lambda self: self.wanted == ENOUGH_BATCHES), raising=True
    )

    def handle(payload: int, context: FlowContext) -> None:
        seen.look([context.record_id])
        if payload == 5:
            raise failure

    async def handle_async(payload: int, context: FlowContext) -> None:
        await asyncio.to_thread(handle, payload, context)

    flow = worker.declare(handle if kind is plain else handle_async, name="sample", batch_size=4)
    record_ids = worker.enqueue("sample", range(12))
    worker.run(flow)
    assert lengths(seen.statuses) == [("processing", 4), ("pending", 2), ("processing", 6)]
    assert quick.wanted == 2 * ENOUGH_BATCHES
    assert [row.status for row in worker.rows(record_ids[6:])] == ["completed"] * 6


@pytest.mark.usefixtures("never_long")
@pytest.mark.parametrize("kind", [plain, commits, commits_asynchronously])
def test_a_flow_that_reports_progress_is_not_express(worker: Worker, seen: Seen, kind: Any) -> None:
    def report(payload: Any, context: FlowContext) -> None:
        assert context.report_progress({"share": 0.5})
        seen.look([context.record_id])

    worker.query("CREATE TABLE effects (record_id bigint)")
    flow = worker.declare(report if kind is plain else kind(report), name="sample", batch_size=1)
    worker.enqueue("sample", range(2 * ENOUGH_BATCHES))
    worker.run(flow)
    worker.query("DROP TABLE effects")
    assert seen.statuses == ["processing"] * 2 * ENOUGH_BATCHES
    assert worker.services.quick_batches["sample"].wanted == ENOUGH_BATCHES  # no slice was tried


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("is_async", [False, True])
def test_a_handler_that_replaces_its_own_record_in_its_transaction_hears_that_it_is_running(
    worker: Worker, is_async: bool
) -> None:
    answers: list[str] = []

    def handle(payload: int, connection: "psycopg.Connection[Any]") -> None:
        [[what]] = connection.execute(REPLACE, [f"key {payload}"]).fetchall()
        answers.append(what)

    async def handle_async(payload: int, connection: "psycopg.AsyncConnection[Any]") -> None:
        [[what]] = await (await connection.execute(REPLACE, [f"key {payload}"])).fetchall()
        answers.append(what)

    flow = worker.declare(handle_async if is_async else handle, name="sample", batch_size=2)
    record_ids = worker.enqueue("sample", range(6))
    worker.query("UPDATE processing_queue SET dedup_key = 'key ' || payload::text")
    worker.run(flow)
    assert answers == ["running"] * 6
    assert [row.payload for row in worker.rows(record_ids)] == list(range(6))
    assert worker.statuses() == {"completed": 6}


@pytest.mark.usefixtures("at_once")
def test_a_batch_handler_is_given_no_more_records_than_ever(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def handle(records: list[FlowContext]) -> None:
        sizes.append(len(records))

    monkeypatch.setattr(slice_size, "fair_part", lambda *_: pytest.fail("counted what is due"))
    worker.services.quick_batches["sample"].slice_size = 300
    flow = worker.declare(handle, name="sample", batch=True)
    worker.enqueue("sample", range(350))
    worker.run(flow)
    assert sizes == [100, 100, 100, 50]


STRICT = [{"max_crash_strikes": 1}, {"micro_batch_seconds": 0.05}]


@pytest.mark.parametrize("strict", STRICT)
def test_where_crashes_must_not_repeat_a_record_only_a_flow_that_asks_for_it_is_express(
    strict: dict[str, Any],
) -> None:
    settings = ProcessorSettings(express_by_itself=True)
    by_itself, asks = declare(print, {}), declare(print, {"express": True})
    assert may_be_express(by_itself, settings)
    assert not may_be_express(by_itself, replace(settings, **strict))
    assert may_be_express(asks, replace(settings, **strict))


@pytest.mark.parametrize("express", [None, True])
def test_a_batch_size_of_nothing_turns_it_off_everywhere(express: bool | None) -> None:
    flow = declare(print, {"express": express})
    assert not may_be_express(flow, ProcessorSettings(express_batch_size=0, express_by_itself=True))


def test_a_setting_leaves_express_to_flows_that_ask_for_it() -> None:
    assert may_be_express(declare(print, {}), ProcessorSettings())
    settings = ProcessorSettings(express_by_itself=False)
    assert not may_be_express(declare(print, {}), settings)
    assert may_be_express(declare(print, {"express": True}), settings)
