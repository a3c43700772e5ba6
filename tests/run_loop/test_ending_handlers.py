"""Operators can ask to end a handler. If the handler returns before the request takes effect, the request does not
change the record."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from queue_store.liveness import worker_processes
from queue_store.operators.ends import AskedToEnd, EndAnswer, ask_to_end, read_answer
from queue_store.records.record import Completed
from queue_store.runs.run import Run, RunOptions
from tasks.background.heartbeat import Heartbeat
from tasks.run_loop import abort_process as aborting
from tasks.run_loop.stuck_handlers import StuckHandler
from tasks.worker.current_run import CurrentRun
from tests.support.flow_runs import Worker


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    ends: list[str] = []
    monkeypatch.setattr(aborting, "end_process", lambda: ends.append("ended"))
    return ends


@contextmanager
def in_hand(worker: Worker) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yields the id of a record that a handler works on, and a function that lets the run end."""
    entered, may_return = threading.Event(), threading.Event()

    def handler(payload: Any) -> None:
        entered.set()
        assert may_return.wait(20)

    flow = worker.declare(handler, name="gated", max_retries=0)
    (record_id,) = worker.enqueue("gated", [1])
    thread = threading.Thread(target=worker.run, args=(flow,))
    thread.start()

    def let_it_end() -> None:
        may_return.set()
        thread.join()

    try:
        assert entered.wait(20)
        yield record_id, let_it_end
    finally:
        let_it_end()


def ask(worker: Worker, record_id: int, claim_number: int | None = None) -> AskedToEnd:
    result = ask_to_end(worker.services.database, [record_id], actor="ops", claim_number=claim_number)
    assert result.refused == {}
    return result.asked[0]


def answer(worker: Worker, asked: AskedToEnd) -> EndAnswer | None:
    with worker.services.database.transaction() as cursor:
        return read_answer(cursor, asked)


def test_the_handler_returned_before_the_request_was_heard(worker: Worker, ended: list[str]) -> None:
    with in_hand(worker) as (record_id, let_it_end):
        asked = ask(worker, record_id)
        assert answer(worker, asked) is None
        let_it_end()
    Heartbeat(worker.services).beat()
    assert ended == []
    said = answer(worker, asked)
    assert said is not None
    assert (said.is_ended, said.text) == (
        False,
        "its handler had returned before; it is completed now, nothing was ended",
    )
    assert worker.query("SELECT end_record_id FROM worker_processes") == [(None,)]
    (record,) = worker.rows([record_id])
    assert (record.retry_count, record.crash_strikes) == (0, 0)


def test_the_handler_returns_while_the_request_is_heard(
    worker: Worker, ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    beat = worker_processes.beat
    with in_hand(worker) as (record_id, let_it_end):
        asked = ask(worker, record_id)

        def beat_and_let_it_end(*arguments: Any, **named: Any) -> Any:
            heard = beat(*arguments, **named)
            assert heard is not None
            assert heard.record_id == record_id
            let_it_end()
            return heard

        monkeypatch.setattr(worker_processes, "beat", beat_and_let_it_end)
        Heartbeat(worker.services).attempt(Heartbeat(worker.services).beat)
    assert ended == []
    said = answer(worker, asked)
    assert said is not None
    assert not said.is_ended
    assert worker.statuses() == {"completed": 1}


def test_the_record_was_completed_before_the_charge_is_written(worker: Worker, ended: list[str]) -> None:
    flow = worker.declare(lambda payload: None, name="quick")
    worker.enqueue("quick", [1])
    options = RunOptions("quick", 10, 0)
    process_id = worker.services.process.worker_process_id
    with Run(worker.services.database, options, worker.services.position("quick"), process_id) as run:
        (record,) = run.begin()
        now = time.monotonic()
        with worker.services.database.transaction() as cursor:
            run.write_in(cursor, [Completed(record, now, now, None, ())])
        stuck = StuckHandler([record], now, now, 1, ended_by="ops")
        aborting.abort_process(worker.services, flow, CurrentRun(run), list, [stuck])
    assert ended == ["ended"]
    (row,) = worker.rows([record.id])
    assert (row.status, row.retry_count, row.crash_strikes) == ("completed", 0, 0)
    assert worker.query("SELECT count(*) FROM record_attempts") == [(0,)]


def test_a_request_for_a_record_that_nobody_works_on_is_refused(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="quick")
    (record_id,) = worker.enqueue("quick", [1])
    result = ask_to_end(worker.services.database, [record_id, record_id + 999], actor="ops")
    assert result.asked == []
    assert result.refused == {
        record_id: "it is pending: no handler works on it",
        record_id + 999: "it does not exist",
    }


def test_a_request_under_another_claim_is_refused(worker: Worker) -> None:
    with in_hand(worker) as (record_id, _):
        result = ask_to_end(worker.services.database, [record_id], actor="ops", claim_number=3)
        assert result.refused == {record_id: "its claim number is 1 now, not 3"}


def test_a_second_request_waits_for_no_other_record_of_the_process(worker: Worker) -> None:
    worker.declare(lambda payload: None, name="quick")
    first, second = worker.enqueue("quick", [1, 2])
    process_id = worker.services.process.worker_process_id
    with Run(
        worker.services.database, RunOptions("quick", 10, 0), worker.services.position("quick"), process_id
    ) as run:
        run.begin()
        result = ask_to_end(worker.services.database, [first, second], actor="ops")
    assert [asked.record_id for asked in result.asked] == [first]
    assert result.refused == {
        second: f"its process was already asked to end the handler of record {first}: "
        "if the process does so, this record is given back, and no attempt is charged"
    }


def test_the_charge_names_the_operator_and_the_reason(worker: Worker, ended: list[str]) -> None:
    with in_hand(worker) as (record_id, let_it_end):
        ask_to_end(worker.services.database, [record_id], actor="ops", reason="hangs since noon")
        Heartbeat(worker.services).attempt(Heartbeat(worker.services).beat)
        assert ended == ["ended"]
        (record,) = worker.rows([record_id])
        assert (record.status, record.retry_count, record.crash_strikes) == ("failed", 1, 0)
        assert "by ops: hangs since noon" in record.error_message
        let_it_end()
    (record,) = worker.rows([record_id])
    assert record.status == "failed"


def test_a_request_under_the_claim_before_is_dropped(worker: Worker, ended: list[str]) -> None:
    """Since the request, the same process has claimed the record again."""
    with in_hand(worker) as (record_id, _):
        ask(worker, record_id)
        worker.query("UPDATE worker_processes SET end_claim_number = 0")
        Heartbeat(worker.services).beat()
        assert ended == []
        assert worker.query("SELECT end_record_id FROM worker_processes") == [(None,)]


def test_of_a_call_with_several_records_only_the_named_one_is_charged(
    worker: Worker, ended: list[str]
) -> None:
    entered, may_return = threading.Event(), threading.Event()

    def handler(records: Any) -> None:
        entered.set()
        assert may_return.wait(20)

    flow = worker.declare(handler, name="gated", batch=True, max_retries=0)
    first, second = worker.enqueue("gated", [1, 2])
    thread = threading.Thread(target=worker.run, args=(flow,))
    thread.start()
    assert entered.wait(20)
    ask(worker, first)
    Heartbeat(worker.services).attempt(Heartbeat(worker.services).beat)
    assert ended == ["ended"]
    charges = [(row.status, row.retry_count, row.crash_strikes) for row in worker.rows([first, second])]
    assert charges == [("failed", 1, 0), ("pending", 0, 0)]
    may_return.set()
    thread.join()


def test_the_main_process_is_told_of_a_request_only_while_the_claim_lasts(worker: Worker) -> None:
    process_id = worker.services.process.worker_process_id

    def told() -> list[int]:
        with worker.services.database.transaction() as cursor:
            requests = worker_processes.read_end_requests(cursor, [process_id])
        return [request.record_id for request in requests]

    with in_hand(worker) as (record_id, let_it_end):
        assert told() == []
        ask(worker, record_id)
        assert told() == [record_id]
        worker.query("UPDATE worker_processes SET end_claim_number = 0")
        assert told() == []
        worker.query("UPDATE worker_processes SET end_claim_number = 1")
        let_it_end()
        assert told() == []
