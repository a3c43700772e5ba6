"""A process goes through the waiting flows in ascending order of their names. After the last name, the process goes on
with the first name. If two runs in a row find no record, other processes have probably run the next flows. So the
process reads again which flows wait, and goes through them in descending order."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from queue_store.errors import CommitUnknownError
from queue_store.runs.run import Run
from queue_store.runs.succession import Succession
from tasks.run_loop import waiting_flows
from tasks.run_loop.waiting_flows import EMPTY_RUNS, MANY_FLOWS, run_waiting_flows
from tests.runs.test_lost_commits import lose_the_answer
from tests.support.flow_runs import Worker

FIRST = 10
SLICE_SECONDS = 600.0
OTHERS_HAVE_IT = (
    "UPDATE processing_queue SET scheduled_at = now() + interval '1 hour' WHERE flow_name = ANY(%(names)s)"
)


def name(number: int) -> str:
    return f"flow_{number:02}"


@pytest.fixture
def walked(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the flows in the order of their runs, including runs that found nothing. The walk begins with the
    flow whose number is FIRST."""
    walked: list[str] = []
    run_flow = waiting_flows.run_flow

    def noted(services: Any, flow: Any, run: Any) -> Any:
        walked.append(flow.name)
        return run_flow(services, flow, run=run)

    monkeypatch.setattr(waiting_flows, "run_flow", noted)
    monkeypatch.setattr("tasks.run_loop.waiting_flows.random.randrange", lambda count: min(FIRST, count - 1))
    return walked


def walk(worker: Worker) -> None:
    """Runs the waiting flows, as a process that serves their Celery queues does. The time slice does not end, even on a
    slow machine."""
    services = worker.services
    rows = worker.query("SELECT DISTINCT celery_queue FROM flows")
    services.celery_queues = [row.celery_queue for row in rows]
    services.settings = replace(services.settings, time_slice_seconds=SLICE_SECONDS)
    run_waiting_flows(services)


def test_it_begins_anywhere_and_ends_where_it_began(worker: Worker, walked: list[str]) -> None:
    for number in range(MANY_FLOWS + 4):
        worker.declare(lambda payload: None, name=name(number))
        worker.enqueue(name(number), [1])
    walk(worker)
    assert walked == [name(n) for n in [*range(FIRST, MANY_FLOWS + 4), *range(FIRST)]]
    assert worker.statuses() == {"completed": MANY_FLOWS + 4}


def test_it_looks_again_after_two_runs_that_found_nothing_and_goes_back(
    worker: Worker, walked: list[str]
) -> None:
    taken = [name(number) for number in range(FIRST + 3, FIRST + 7)]

    def others_come(payload: Any) -> None:
        worker.query(OTHERS_HAVE_IT, names=taken)

    for number in range(MANY_FLOWS + 4):
        handler = others_come if number == FIRST + 2 else lambda payload: None
        worker.declare(handler, name=name(number))
        worker.enqueue(name(number), [1])
    walk(worker)
    in_vain = taken[:EMPTY_RUNS]
    assert walked[3 : 3 + EMPTY_RUNS] == in_vain
    assert [flow for flow in walked if flow in taken] == in_vain
    back_from_its_beginning = [*range(FIRST)[::-1], *range(FIRST + 7, MANY_FLOWS + 4)[::-1]]
    assert walked[3 + EMPTY_RUNS :] == [name(number) for number in back_from_its_beginning]
    assert worker.statuses() == {"completed": MANY_FLOWS, "pending": 4}


def test_a_run_that_has_begun_as_a_successor_gives_back_its_records_where_the_process_stops(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process begins to stop after the COMMIT that ended the first run and began its successor."""
    note = Succession.note

    def stop(end: Succession) -> None:
        note(end)
        monkeypatch.setattr(type(worker.services.slots), "is_stopping", True)

    monkeypatch.setattr(Succession, "note", stop)
    for number in range(MANY_FLOWS):
        worker.declare(lambda payload: None, name=name(number))
        worker.enqueue(name(number), [1])
    walk(worker)
    assert worker.statuses() == {"completed": 1, "pending": MANY_FLOWS - 1}
    assert worker.query("SELECT state FROM flow_execution_logs WHERE state <> 'ended'") == []


def test_a_run_that_has_ended_begins_no_second_successor(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asynchronous run ends when it asks for its next batch. After its end, the run asks for a batch once more."""
    made: list[str] = []
    new_run = waiting_flows.new_run

    def note(services: Any, flow: Any, **options: Any) -> Run:
        made.append(flow.name)
        return new_run(services, flow, **options)

    async def handle(payload: Any) -> None:
        pass

    monkeypatch.setattr(waiting_flows, "new_run", note)
    for number in range(MANY_FLOWS):
        worker.declare(handle, name=name(number))
        worker.enqueue(name(number), [1])
    walk(worker)
    assert worker.statuses() == {"completed": MANY_FLOWS}
    assert len(made) == MANY_FLOWS


def test_no_successor_begins_after_the_time_slice(
    worker: Worker, walked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other flows get their turn: the process sends a hint for the next flow."""
    clock, hinted = SimpleNamespace(now=0.0), list[str]()
    monkeypatch.setattr(waiting_flows, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(worker.services.hints, "send", lambda flow_name, *_: hinted.append(flow_name))

    def is_slow(payload: Any) -> None:
        clock.now = SLICE_SECONDS

    for number in range(MANY_FLOWS):
        worker.declare(is_slow if number == FIRST + 2 else lambda payload: None, name=name(number))
        worker.enqueue(name(number), [1])
    walk(worker)
    assert walked == [name(FIRST), name(FIRST + 1), name(FIRST + 2)]
    assert hinted == [name(FIRST + 3)]


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_successor_in_doubt_ends_and_its_records_are_charged_nothing(
    worker: Worker, walked: list[str], monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    """The process gets no answer to the COMMIT that ends one run and begins the next."""
    record_ids: list[int] = []
    for number in range(MANY_FLOWS):
        worker.declare(lambda payload: None, name=name(number))
        record_ids += worker.enqueue(name(number), [1])
    loses = worker.declare(
        lambda payload: lose_the_answer(monkeypatch, has_happened=has_happened), name=name(FIRST)
    )
    worker.services.flows[loses.name] = loses
    with pytest.raises(CommitUnknownError):
        walk(worker)
    assert worker.rows(record_ids)[FIRST].status == "completed"
    worker.services.rescue.sweep()
    walk(worker)
    assert worker.statuses() == {"completed": MANY_FLOWS}
    assert {row.crash_strikes for row in worker.rows(record_ids)} == {0}
    assert worker.query("SELECT state FROM flow_execution_logs WHERE state NOT IN ('ended')") == []
