"""A worker runs the tasks, and their results show the outcome."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.flow_runs import Worker

Work = Callable[[str], None]


def order_count(worker: Worker) -> int:
    return worker.query("SELECT count(*) FROM orders")[0].count


def test_only_the_flow_of_the_declared_queue_has_the_schedule(task_worker: Worker) -> None:
    """If every flow of the task had the schedule, each occurrence would become one record per queue."""
    flows = {name: flow for name, flow in task_worker.services.flows.items() if "close_the_day" in name}
    assert len(flows) == 2
    assert [name for name, flow in flows.items() if flow.schedule] == [
        "tests.django.shop.tasks.close_the_day"
    ]


def test_the_return_value_is_the_result(shop: Any, work_off: Work) -> None:
    result = shop.add.enqueue(1)
    work_off("add")
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 3, 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert result.last_attempted_at == result.started_at


def test_a_task_that_fails_is_tried_again_and_all_errors_are_told(shop: Any, work_off: Work) -> None:
    result = shop.fail.enqueue("no money")
    work_off("fail")
    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == ("READY", 1, 1)
    work_off("fail")
    result.refresh()
    assert (result.status, result.attempts, len(result.errors)) == ("FAILED", 2, 2)
    assert {error.exception_class for error in result.errors} == {shop.CardRefusedError}
    assert result.errors[0].traceback.rstrip().endswith("CardRefusedError: no money")
    assert result.finished_at is not None
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value


def test_options_of_a_single_task(shop: Any, work_off: Work) -> None:
    result = shop.fail_for_good.enqueue("no money")
    work_off("fail_for_good")
    result.refresh()
    assert (result.status, result.attempts) == ("FAILED", 1)


def test_the_context_knows_the_attempt_and_what_went_wrong_before(shop: Any, work_off: Work) -> None:
    result = shop.tell_attempt.enqueue()
    work_off("tell_attempt")
    work_off("tell_attempt")
    result.refresh()
    assert result.return_value == [2, result.id, 1]


def test_an_asynchronous_task(shop: Any, work_off: Work) -> None:
    result = shop.add_slowly.enqueue(1, 2)
    work_off("add_slowly")
    result.refresh()
    assert (result.status, result.return_value) == ("SUCCESSFUL", 3)


def test_an_asynchronous_task_that_uses_the_database(shop: Any, work_off: Work) -> None:
    result = shop.count_orders.enqueue()
    work_off("count_orders")
    result.refresh()
    assert result.return_value == [0, 1]


OPENERS = ("leave_open", "enter_atomic", "execute_begin", "execute_begin_and_fail_a_statement")


@pytest.mark.parametrize("kept_seconds", [0, 60])
@pytest.mark.parametrize("name", OPENERS)
def test_a_transaction_that_a_task_left_open_is_rolled_back_and_told(
    shop: Any,
    work_off: Work,
    task_worker: Worker,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    kept_seconds: int,
) -> None:
    from django.db import connection

    connection.close()
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", kept_seconds)
    result = getattr(shop, name).enqueue(1)
    inserted = shop.insert_order.enqueue(2)
    work_off(name)
    work_off("insert_order")
    result.refresh()
    inserted.refresh()
    assert result.errors[0].exception_class.__name__ == "TransactionLeftOpenError"
    assert "default" in result.errors[0].traceback
    assert inserted.status == "SUCCESSFUL"
    assert order_count(task_worker) == 1


def test_a_connection_that_a_task_lost_is_no_open_transaction(
    shop: Any, work_off: Work, task_worker: Worker
) -> None:
    result = shop.lose_the_connection.enqueue(1)
    work_off("lose_the_connection")
    result.refresh()
    assert result.status == "SUCCESSFUL"


def test_connections_are_closed_as_conn_max_age_says(shop: Any, work_off: Work, task_worker: Worker) -> None:
    from django.db import connection

    shop.insert_order.enqueue(1)
    work_off("insert_order")
    assert order_count(task_worker) == 1
    assert connection.connection is None


def test_a_result_that_is_no_json_fails_at_once(shop: Any, work_off: Work) -> None:
    result = shop.return_an_object.enqueue()
    work_off("return_an_object")
    result.refresh()
    assert (result.status, result.attempts) == ("FAILED", 1)
    assert issubclass(result.errors[0].exception_class, TypeError)


def test_a_payload_from_sql_may_leave_out_what_is_empty(
    shop: Any, work_off: Work, task_worker: Worker
) -> None:
    (record_id,) = task_worker.enqueue("tests.django.shop.tasks.add", [{"args": [1]}])
    (wrong_id,) = task_worker.enqueue("tests.django.shop.tasks.add", [{"args": 1}])
    work_off("add")
    assert shop.add.get_result(str(record_id)).return_value == 3
    assert "must be" in task_worker.rows([wrong_id])[0].error_message


def test_a_cancelled_task_has_failed(shop: Any, task_worker: Worker) -> None:
    from queue_store import DistributedProcessor

    result = shop.add.enqueue(1)
    DistributedProcessor(task_worker.services.database).cancel([int(result.id)], actor="Olga")
    result.refresh()
    assert (result.status, result.is_finished) == ("FAILED", True)
    assert result.errors[0].exception_class.__name__ == "RecordCancelled"


def test_a_process_that_died_is_an_error_of_its_own(shop: Any, task_worker: Worker) -> None:
    result = shop.add.enqueue(1)
    task_worker.query(
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), claim_number = 1,"
        " flow_instance_id = gen_random_uuid()"
    )
    task_worker.query(
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group, finished_at) SELECT id, 1, 0, flow_name, flow_instance_id,"
        " 'crashed', 'WorkerProcessDied', 'it died', 'WorkerProcessDied', now() FROM processing_queue"
    )
    result.refresh()
    assert (result.status, result.attempts) == ("RUNNING", 1)
    assert result.errors[0].exception_class.__name__ == "WorkerProcessDied"


def test_a_retry_in_the_same_run_is_an_attempt_of_its_own(shop: Any, task_worker: Worker) -> None:
    result = shop.add.enqueue(1)
    claim = (
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), claim_number = claim_number + 1,"
        " flow_instance_id = '0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d01'"
    )
    task_worker.query(claim)
    task_worker.query(
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group, finished_at) SELECT id, 1, 1, flow_name, flow_instance_id,"
        " 'retried', 'ValueError', 'not yet', 'ValueError', now() FROM processing_queue"
    )
    task_worker.query(
        "UPDATE processing_queue SET status = 'pending', retry_count = 1, claimed_at = NULL, flow_instance_id = NULL"
    )
    task_worker.query(claim)
    result.refresh()
    assert (result.status, result.attempts) == ("RUNNING", 2)


@pytest.mark.parametrize("result_id", ["123456789", "", "x", "-1", "٣", "1" * 40])
def test_a_result_that_is_not_there(shop: Any, task_worker: Worker, result_id: str) -> None:
    from tasks.django.task_library import TaskResultDoesNotExist

    with pytest.raises(TaskResultDoesNotExist):
        shop.add.get_result(result_id)


def test_a_record_of_another_flow_is_no_result(shop: Any, task_worker: Worker) -> None:
    from tasks.django.task_library import TaskResultDoesNotExist

    task_worker.declare(lambda payload: None, name="plain_flow")
    (record_id,) = task_worker.enqueue("plain_flow", [{}])
    with pytest.raises(TaskResultDoesNotExist):
        shop.add.get_result(str(record_id))


def test_djangos_signals_tell_of_a_task(shop: Any, work_off: Work) -> None:
    from tasks.django.task_library import signals

    seen: list[tuple[str, str, str]] = []

    def note(kind: str) -> Callable[..., None]:
        def receive(sender: Any, task_result: Any, **kwargs: Any) -> None:
            seen.append((kind, task_result.task.name, task_result.status))

        return receive

    receivers = {name: note(name) for name in ("task_enqueued", "task_started", "task_finished")}
    for name, receiver in receivers.items():
        getattr(signals(), name).connect(receiver)
    try:
        shop.add.enqueue(1)
        shop.fail.enqueue("no")
        work_off("add")
        work_off("fail")
        work_off("fail")
    finally:
        for name, receiver in receivers.items():
            getattr(signals(), name).disconnect(receiver)
    assert seen == [
        ("task_enqueued", "add", "READY"),
        ("task_enqueued", "fail", "READY"),
        ("task_started", "add", "RUNNING"),
        ("task_finished", "add", "SUCCESSFUL"),
        ("task_started", "fail", "RUNNING"),
        ("task_started", "fail", "RUNNING"),
        ("task_finished", "fail", "FAILED"),
    ]


@pytest.mark.parametrize(
    ("name", "traceback", "expected"),
    [
        ("ValueError", "Traceback\nValueError: no", "builtins.ValueError"),
        ("CardRefusedError", "shop.CardRefusedError: no\n", "shop.CardRefusedError"),
        ("RefusedError", "  | bank.api.RefusedError: no\n", "bank.api.RefusedError"),
        ("A", "y.A: x\n\nDuring handling:\nz.A\n", "z.A"),
        ("WorkerProcessDied", "", "processing_queue.django.errors.WorkerProcessDied"),
    ],
)
def test_the_class_of_an_exception_is_found_in_its_traceback(
    name: str, traceback: str, expected: str
) -> None:
    from tasks.django.results import exception_path

    assert exception_path(name, traceback) == expected
