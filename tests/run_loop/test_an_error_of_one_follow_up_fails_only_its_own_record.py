"""If the database refuses an outcome or its follow-up record, only the record of that outcome fails. The handlers of
other records are not called again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing import payload_encoders
from queue_store.errors import ConflictError
from queue_store.runs.run import Run
from tasks import FlowContext
from tasks.run_loop.attempt import Attempts
from tasks.run_loop.executors import Executor
from tests.runs.test_lost_commits import COUNTED, lose_the_answer
from tests.support.flow_runs import Worker
from tests.support.servers import connect
from tests.support.store import in_background

SAME_KEY = "INSERT INTO processing_queue (flow_name, payload, dedup_key) VALUES ('next', '{}', 'k')"
GUILTY, COUNT = 2, 6
PATIENCE_SECONDS = 30.0

Work = Callable[[int, FlowContext], object]


def plain(work: Work) -> Callable[..., Any]:
    def handle(payload: int, context: FlowContext) -> Any:
        return work(payload, context)

    return handle


def asynchronous(work: Work) -> Callable[..., Any]:
    async def handle(payload: int, context: FlowContext) -> Any:
        return work(payload, context)

    return handle


def batch(work: Work) -> Callable[..., Any]:
    def handle(records: list[FlowContext]) -> list[Any]:
        return [work(context.payload, context) for context in records]

    return handle


KINDS: dict[str, tuple[Callable[[Work], Callable[..., Any]], dict[str, Any]]] = {
    "plain": (plain, {}),
    "asynchronous": (asynchronous, {}),
    "concurrent": (plain, {"concurrency": 2}),
    "batch": (batch, {"batch": True}),
    "express": (plain, {"express": True}),
    "asynchronous express": (asynchronous, {"express": True}),
    "express batch": (batch, {"express": True, "batch": True}),
}
of_each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def rival(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldConnection]:
    """A producer whose transaction stays open until the test ends it."""
    monkeypatch.setattr("tasks.run_loop.delivery.TOGETHER_SECONDS", 0.0)
    rivals: DatabaseManager = connect(clean_database_url)
    with rivals.hold() as held:
        yield held
        held.driver.rollback()
    rivals.dispose()


class Scene:
    """A flow of this kind. For the record GUILTY, the handler calls `offend`."""

    def __init__(self, worker: Worker, kind: str, offend: Callable[[FlowContext], object]) -> None:
        self.worker, self.offend, self.called = worker, offend, list[int]()
        worker.declare(lambda payload: None, name="next")
        wrap, options = KINDS[kind]
        self.flow = worker.declare(wrap(self.work), name="sample", max_retries=0, batch_size=COUNT, **options)
        self.ids = worker.enqueue("sample", range(COUNT))

    def work(self, payload: int, context: FlowContext) -> object:
        self.called.append(payload)
        if payload == GUILTY:
            return self.offend(context)
        if payload % 2:
            context.enqueue("next", payload)
        return None

    def statuses(self) -> list[str]:
        return [row.status for row in self.worker.rows(self.ids)]

    def wait_for_the_innocent(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.statuses().count("completed") < COUNT - 1:
            assert time.monotonic() < deadline, "the outcomes of other records were not written"
            time.sleep(0.005)

    def expect_one_failure(self, exception_type: str) -> None:
        assert self.statuses() == ["failed" if n == GUILTY else "completed" for n in range(COUNT)]
        assert sorted(self.called) == list(range(COUNT))
        [attempt] = self.worker.query("SELECT record_id, exception_type FROM record_attempts")
        assert attempt == (self.ids[GUILTY], exception_type)
        runs = self.worker.query("SELECT state, error_message FROM flow_execution_logs")
        assert set(runs) == {("ended", None)}
        follow_ups = self.worker.query(
            "SELECT payload FROM processing_queue WHERE flow_name = 'next' ORDER BY payload"
        )
        assert [row.payload for row in follow_ups] == [1, 3, 5]
        assert self.worker.query(COUNTED) == [(COUNT - 1, 0, 1, 0, 0, COUNT)]


@pytest.mark.usefixtures("at_once")
@of_each_kind
def test_a_follow_up_that_waits_too_long_for_a_lock(
    worker: Worker, rival: HeldConnection, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("tasks.run_loop.delivery.LOCKED_SECONDS", 0.0)
    scene = Scene(worker, kind, lambda context: context.enqueue("next", {}, dedup_key="k"))
    rival.driver.execute(SAME_KEY)
    worker.run(scene.flow)
    scene.expect_one_failure("ConflictError")


def in_one_micro_batch(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """All outcomes of a batch become one micro-batch, however slow this machine is. Otherwise, the run could wait
    for a lock before it has called all handlers."""
    worker.services.settings = replace(worker.services.settings, micro_batch_seconds=PATIENCE_SECONDS)
    take = Executor.take_outcomes
    monkeypatch.setattr(
        Executor, "take_outcomes", lambda each: take(each) if len(each.done) == each.unreported_count else []
    )


@pytest.mark.usefixtures("at_once")
@of_each_kind
def test_outcomes_of_other_records_are_written_while_a_follow_up_waits(
    worker: Worker, rival: HeldConnection, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    in_one_micro_batch(worker, monkeypatch)
    scene = Scene(worker, kind, lambda context: context.enqueue("next", {}, dedup_key="k"))
    rival.driver.execute(SAME_KEY)
    running = in_background(lambda: worker.run(scene.flow))
    scene.wait_for_the_innocent()
    assert scene.statuses()[GUILTY] == "processing"
    rival.driver.rollback()
    running.result(30)
    assert scene.statuses() == ["completed"] * COUNT
    assert sorted(scene.called) == list(range(COUNT))
    assert worker.query("SELECT count(*) FROM processing_queue WHERE dedup_key = 'k'") == [(1,)]
    assert worker.query(COUNTED) == [(COUNT, 0, 0, 0, 0, COUNT)]


@pytest.mark.usefixtures("at_once")
@of_each_kind
def test_a_follow_up_that_is_too_large_as_jsonb(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(payload_encoders, "payload_limit_bytes", lambda: 1_048_576)
    scene = Scene(worker, kind, lambda context: context.enqueue("next", [1] * 90_000))
    worker.run(scene.flow)
    scene.expect_one_failure("PayloadRejectedError")


@pytest.mark.usefixtures("at_once")
@of_each_kind
def test_a_result_that_the_database_refuses(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(Attempts, "_encoded", lambda _, result: result)
    scene = Scene(worker, kind, lambda _: b'"\\ud800"')
    worker.run(scene.flow)
    scene.expect_one_failure("PayloadRejectedError")


@pytest.mark.usefixtures("at_once")
@of_each_kind
def test_a_follow_up_whose_flow_is_gone(worker: Worker, kind: str) -> None:
    def offend(context: FlowContext) -> None:
        context.enqueue("gone", {})
        worker.query("DELETE FROM flows WHERE flow_name = 'gone'")

    worker.declare(lambda payload: None, name="gone")
    scene = Scene(worker, kind, offend)
    worker.run(scene.flow)
    scene.expect_one_failure("UnknownFlowError")


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_lost_commit_of_outcomes_that_are_written_apart_counts_once(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    monkeypatch.setattr(payload_encoders, "payload_limit_bytes", lambda: 1_048_576)
    scene = Scene(worker, "plain", lambda context: context.enqueue("next", [1] * 90_000))
    write = Run.write

    def write_and_lose(run: Run, *arguments: Any, **options: Any) -> Any:
        """The first write is refused. The second write, of outcomes without follow-up records, gets no answer."""
        monkeypatch.setattr(Run, "write", write)
        try:
            return write(run, *arguments, **options)
        finally:
            lose_the_answer(monkeypatch, has_happened=has_happened)

    monkeypatch.setattr(Run, "write", write_and_lose)
    worker.run(scene.flow)
    scene.expect_one_failure("PayloadRejectedError")


def test_a_shutdown_does_not_wait_for_a_follow_up(
    worker: Worker, rival: HeldConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offend(context: FlowContext) -> None:
        context.enqueue("next", {}, dedup_key="k")

    scene = Scene(worker, "batch", offend)
    rival.driver.execute(SAME_KEY)
    write = Run.write

    def stop_and_write(run: Run, *arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(type(worker.services.slots), "is_stopping", True)
        return write(run, *arguments, **options)

    monkeypatch.setattr(Run, "write", stop_and_write)
    worker.run(scene.flow)
    scene.expect_one_failure("ConflictError")


def test_a_conflict_of_a_record_without_follow_ups_keeps_no_other_outcome_from_being_written(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has locked the row of one record, so even its failure cannot be written."""
    monkeypatch.setattr("tasks.run_loop.delivery.TOGETHER_SECONDS", 0.0)
    monkeypatch.setattr("tasks.run_loop.delivery.LOCKED_SECONDS", 0.0)
    write_in = Run.write_in

    def refuse(run: Run, cursor: Any, outcomes: Any, **options: Any) -> Any:
        if any(outcome.record.payload == GUILTY for outcome in outcomes):
            raise ConflictError("the row is locked")
        return write_in(run, cursor, outcomes, **options)

    monkeypatch.setattr(Run, "write_in", refuse)
    flow = worker.declare(lambda payload: None, name="sample")
    ids = worker.enqueue("sample", range(COUNT))
    monkeypatch.setattr(
        "tasks.run_loop.delivery.exchange_or_end", lambda run, outcomes: (run.write(outcomes), [])
    )
    worker.run(flow)
    expected = ["processing" if n == GUILTY else "completed" for n in range(COUNT)]
    assert [row.status for row in worker.rows(ids)] == expected
