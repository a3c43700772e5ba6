"""If a process gives up on a stuck handler, the process ends, whatever the database answers to its last statements."""

import time
from typing import Any

import pytest

from queue_store.errors import ConflictError, DatabaseUnavailableError, UnknownFlowError
from queue_store.records.record import Completed, Outcome
from queue_store.runs.run import Run, RunOptions
from tasks.run_loop import abort_process as aborting
from tasks.run_loop.stuck_handlers import StuckHandler
from tasks.worker.current_run import CurrentRun
from tests.runs.test_lost_commits import COUNTED, lose_the_answer
from tests.support.flow_runs import Worker


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ends: list[str] = []
    monkeypatch.setattr(aborting, "end_process", lambda: ends.append("ended"))
    monkeypatch.setattr(aborting, "TRY_AGAIN_SECONDS", 0.01)
    return ends


def abort(worker: Worker) -> None:
    flow = worker.declare(lambda payload: None, name="stuck", time_limit_seconds=1, max_retries=0)
    worker.enqueue("stuck", ["finished", "stuck"])
    options = RunOptions("stuck", 10, 0)
    position, process = worker.services.position("stuck"), worker.services.process.worker_process_id
    with Run(worker.services.database, options, position, process) as run:
        finished, stuck = run.begin()
        now = time.monotonic()
        outcomes: list[Outcome] = [Completed(finished, now, now, None, ())]
        aborting.abort_process(
            worker.services, flow, CurrentRun(run), lambda: outcomes, [StuckHandler([stuck], now, now, 1)]
        )


@pytest.mark.parametrize(
    ("error", "statuses"),
    [(UnknownFlowError("no such flow"), {"failed": 2}), (MemoryError(), {"failed": 1, "pending": 1})],
)
def test_what_cannot_be_written_fails_or_is_given_back_and_the_process_ends(
    error: Exception,
    statuses: dict[str, int],
    worker: Worker,
    ended: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_in = Run.write_in

    def refuse(run: Run, cursor: object, outcomes: list[Outcome], **options: bool) -> object:
        if any(isinstance(outcome, Completed) for outcome in outcomes):
            raise error
        return write_in(run, cursor, outcomes, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "write_in", refuse)
    abort(worker)
    assert ended == ["ended"]
    assert worker.statuses() == statuses


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_lost_answer_to_the_last_commit_counts_once(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    write_in = Run.write_in

    def write_and_lose(run: Run, *arguments: Any, **options: bool) -> object:
        monkeypatch.setattr(Run, "write_in", write_in)
        lose_the_answer(monkeypatch, has_happened=has_happened)
        return write_in(run, *arguments, **options)

    monkeypatch.setattr(Run, "write_in", write_and_lose)
    abort(worker)
    assert ended == ["ended"]
    assert worker.statuses() == {"completed": 1, "failed": 1}
    assert worker.query(COUNTED) == [(1, 0, 1, 0, 0, 2)]
    assert worker.query(
        "SELECT records_completed, records_failed, records_refused FROM flow_execution_logs"
    ) == [(1, 1, 0)]


def test_outcomes_that_are_written_apart_and_then_again_count_once(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each outcome is written in its own transaction. The first try to end the run then meets a conflict, so the
    process writes the outcomes again."""
    write_in, end_in, tries = Run.write_in, Run.end_in, list[int]()

    def refuse_together(run: Run, cursor: Any, outcomes: list[Outcome], **options: bool) -> object:
        if len(outcomes) > 1 and not tries:
            raise ConflictError("a row is locked")
        return write_in(run, cursor, outcomes, **options)

    def refuse_once(run: Run, *arguments: Any, **options: Any) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise ConflictError("the run is locked")
        end_in(run, *arguments, **options)

    monkeypatch.setattr(Run, "write_in", refuse_together)
    monkeypatch.setattr(Run, "end_in", refuse_once)
    abort(worker)
    assert worker.statuses() == {"completed": 1, "failed": 1}
    assert worker.query("SELECT records_completed, records_failed FROM flow_execution_logs") == [(1, 1)]


def test_a_database_that_is_away_is_waited_for_until_the_worker_stops(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def away(run: Run, cursor: object, outcomes: list[Outcome], **_: bool) -> object:
        tries.append(1)
        if len(tries) == 3:
            monkeypatch.setattr(type(worker.services.slots), "is_stopping", True)
        raise DatabaseUnavailableError("it is away")

    monkeypatch.setattr(Run, "write_in", away)
    abort(worker)
    assert ended == ["ended"]
    assert len(tries) == 4
