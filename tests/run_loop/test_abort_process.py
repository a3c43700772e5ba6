"""If a process gives up on a stuck handler, the process ends, whatever the database answers to its last statements."""

import time

import pytest

from queue_store.errors import DatabaseUnavailableError, UnknownFlowError
from queue_store.records.record import Completed, Outcome
from queue_store.runs.run import Run, RunOptions
from tasks.run_loop import abort_process as aborting
from tasks.run_loop.stuck_handlers import StuckHandler
from tasks.worker.current_run import CurrentRun
from tests.support.flow_runs import Worker


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ends: list[str] = []
    monkeypatch.setattr(aborting, "end_process", lambda: ends.append("ended"))
    monkeypatch.setattr(aborting, "TRY_AGAIN_SECONDS", 0.01)
    return ends


def abort(worker: Worker) -> None:
    """Aborts the process when the first of two records is finished and the second one is stuck."""
    flow = worker.declare(lambda payload: None, name="stuck", time_limit_seconds=1, max_retries=0)
    worker.enqueue("stuck", ["finished", "stuck"])
    options = RunOptions("stuck", 10, 0)
    position, process = worker.services.position("stuck"), worker.services.process.worker_process_id
    with Run(worker.services.database, options, position, process) as run:
        finished, stuck = run.begin()
        now = time.monotonic()
        outcomes: list[Outcome] = [Completed(finished, now, now, None, ())]
        aborting.abort_process(
            worker.services, flow, CurrentRun(run), outcomes, [StuckHandler([stuck], now, now, 1)]
        )


@pytest.mark.parametrize("error", [UnknownFlowError("no such flow"), MemoryError()])
def test_what_cannot_be_written_is_given_back_and_the_process_ends(
    error: Exception, worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_in = Run.write_in

    def refuse(run: Run, cursor: object, outcomes: list[Outcome]) -> object:
        if any(isinstance(outcome, Completed) for outcome in outcomes):
            raise error
        return write_in(run, cursor, outcomes)  # type: ignore[arg-type]

    monkeypatch.setattr(Run, "write_in", refuse)
    abort(worker)
    assert ended == ["ended"]
    assert worker.statuses() == {"failed": 1, "pending": 1}


def test_a_database_that_is_away_is_waited_for_until_the_worker_stops(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    def away(run: Run, cursor: object, outcomes: list[Outcome]) -> object:
        tries.append(1)
        if len(tries) == 3:
            monkeypatch.setattr(type(worker.services.slots), "is_stopping", True)
        raise DatabaseUnavailableError("it is away")

    monkeypatch.setattr(Run, "write_in", away)
    abort(worker)
    assert ended == ["ended"]
    assert len(tries) == 4
