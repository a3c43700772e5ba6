"""A message can start only those of our tasks that `waking_task` registers. The other tasks do nothing if a message
calls them."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from celery import Celery

from tasks import claim_batch as claim_module, enqueue_task as enqueue_module
from tasks.app import app
from tasks.celery_hardening import authority
from tasks.celery_hardening.authority import Place
from tasks.celery_hardening.believed_request import OwnRequest
from tasks.celery_hardening.own_task import OwnTask
from tasks.schedule.run_occurrence import run_occurrence
from tests.support import filling
from tests.support.flow_runs import Worker, running_worker

DESTRUCTIVE = {"reset_failed_records": True, "purge_old_records": True, "max_retries": 1000, "dry_run": False}
MAINTENANCE = "tasks.monitoring.distributed_system_maintenance"
WAKE = {"claim_batch", "enqueue", "fan_out", "run_occurrence", "update_alerts"}


@pytest.fixture
def worker(clean_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    with running_worker(clean_database_url, monkeypatch, enqueue_by_message=("letters",)) as worker:
        monkeypatch.setattr(worker.services.hints, "started", lambda *_: None)
        monkeypatch.setattr(worker.services.hints, "send", lambda *_: True)
        for module in (claim_module, enqueue_module):
            monkeypatch.setattr(module, "worker_services", lambda: worker.services)

        def letters(payload: Any) -> None:
            pass

        worker.declare(letters)
        worker.declare(letters, name="others")
        yield worker


@pytest.fixture
def in_a_worker() -> Iterator[None]:
    authority.enter(Place.POOL_CHILD)
    yield
    authority.enter(Place.ELSEWHERE)


def ours() -> dict[str, OwnTask]:
    app.loader.import_default_modules()
    return {
        name: task
        for name, task in app.tasks.items()
        if name.startswith(("processing_queue.", "tasks.")) and not name.startswith("tasks.send_mail")
    }


def test_five_of_our_tasks_wake_and_all_others_do_nothing_by_message() -> None:
    assert all(isinstance(task, OwnTask) for task in ours().values())
    assert {name.rpartition(".")[2] for name, task in ours().items() if task.wakes} == WAKE
    assert len(ours()) >= 18


@pytest.mark.usefixtures("in_a_worker")
def test_maintenance_by_message_changes_nothing(worker: Worker, caplog: pytest.LogCaptureFixture) -> None:
    filling.add_failed(worker.services.database, 3, "letters", retry_count=1)
    answer = ours()[MAINTENANCE].apply(kwargs=DESTRUCTIVE | {"actor": "somebody"})
    assert (answer.state, answer.result) == ("SUCCESS", None)
    for name in ("weekly_reset", "monthly_retention", "nightly_review"):
        assert ours()[f"tasks.monitoring.{name}"].apply().result is None
    assert worker.statuses() == {"failed": 3}
    assert "did nothing: only the schedule may call it" in caplog.text


@pytest.mark.usefixtures("in_a_worker")
@pytest.mark.parametrize("builtin", ["celery.map", "celery.starmap"])
def test_nor_does_it_inside_of_another_task(worker: Worker, builtin: str) -> None:
    filling.add_failed(worker.services.database, 3, "letters", retry_count=1)
    arguments = [False, None, True, 1000, True, False]
    signature = ours()[MAINTENANCE].s().clone()
    items = [arguments] if builtin == "celery.starmap" else [True]
    app.tasks[builtin].apply((signature, items))
    assert worker.statuses() == {"failed": 3}


@pytest.mark.usefixtures("in_a_worker")
def test_an_occurrence_that_is_due_does_it_once_and_names_the_schedule(worker: Worker) -> None:
    filling.add_failed(worker.services.database, 3, "letters", retry_count=1)
    hint = {"entry": "failed_records_reset", "due_at": "2026-11-01T02:00:00+00:00"}
    assert run_occurrence.apply(kwargs=hint).result is None
    assert worker.statuses() == {"failed": 3}, "the occurrence has no row yet"
    worker.query("INSERT INTO schedule_occurrences (entry, due_at) VALUES (%(entry)s, %(due_at)s)", **hint)
    assert run_occurrence.apply(kwargs=hint).result == "finished"
    assert worker.statuses() == {"pending": 3}
    assert worker.query("SELECT DISTINCT actor FROM audit_log") == [("schedule",)]
    assert run_occurrence.apply(kwargs=hint).result is None


def test_in_the_main_process_of_a_worker_nothing_is_run(worker: Worker) -> None:
    """Celery calls errbacks in the main process, without a child and without a time limit."""
    [record_id] = worker.enqueue("letters", [1])
    authority.enter(Place.MAIN_PROCESS)
    try:
        for task in ours().values():
            assert task("letters") is None
    finally:
        authority.enter(Place.ELSEWHERE)
    assert worker.rows([record_id])[0].status == "pending"


def test_the_record_of_a_message_is_nobodys_and_says_so(worker: Worker) -> None:
    enqueue_module.enqueue.apply(["letters", {"n": 1}], {"dedup_key": "a"})
    [(login,)] = worker.query("SELECT enqueued_by FROM processing_queue")
    assert login.endswith(" by message")
    assert worker.query("SELECT count(*) FROM own_records('{1}')") == [(0,)]


def test_a_message_replaces_nothing_and_enqueues_named_flows_only(worker: Worker) -> None:
    worker.query("INSERT INTO processing_queue (flow_name, payload, dedup_key) VALUES ('letters', '1', 'a')")
    for arguments, options in (
        (["letters", {"n": 2}], {"dedup_key": "a", "on_duplicate": "replace"}),
        (["others", {"n": 2}], {}),
    ):
        assert enqueue_module.enqueue.apply(arguments, options).state == "FAILURE"
    assert worker.query("SELECT flow_name, payload FROM processing_queue") == [("letters", 1)]


def test_enqueueing_by_message_is_off_by_default(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_worker(clean_database_url, monkeypatch) as worker:
        monkeypatch.setattr(enqueue_module, "worker_services", lambda: worker.services)
        worker.declare(lambda payload: None, name="letters")
        result = enqueue_module.enqueue.apply(["letters", {}])
        assert "enqueueing by message is off" in str(result.result)
        assert worker.statuses() == {}


def test_names_that_a_sender_chose_are_cut_and_stay_on_their_line(
    worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(200):
        worker.declare(lambda payload: None, name=f"one_of_many_flows_{number}")
    claim_module.claim_batch.apply(["x" * 10_000_000])
    run_occurrence.apply(kwargs={"entry": "a\nWARNING forged", "due_at": "b"})
    run_occurrence.apply(kwargs={"entry": "retention", "due_at": "a\nWARNING forged" * 1000})
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("processing_queue")]
    assert len(ours) >= 3
    assert [line for line in ours if len(line) >= 300 or "\n" in line] == []


def request_of(task: Any, **headers: Any) -> OwnRequest:
    """The request that a worker's main process creates for a message."""
    said = {"id": "1", "task": task.name, "argsrepr": "canary", "kwargsrepr": "canary"} | headers
    message = Mock(
        body=b"",
        payload=[["letters", "canary"], {"key": "canary"}, {}],
        headers=said,
        delivery_info={},
        properties={},
    )
    return OwnRequest(message, app=app, task=task, hostname="here")


def test_a_message_ends_no_process_and_does_not_wait_in_memory() -> None:
    request = request_of(claim_module.claim_batch, timelimit=[0.1, 0.1], eta="2100-01-01T00:00:00+00:00")
    assert request.time_limits == (None, None)
    assert request.eta is None


def test_payloads_are_hidden_where_a_message_is_made_and_where_it_is_received(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    request = request_of(enqueue_module.enqueue)
    shown = {name: request.request_dict[name] for name in ("argsrepr", "kwargsrepr")}
    assert "canary" not in f"{request.argsrepr} {request.kwargsrepr} {request.info()} {shown}"
    sent: dict[str, Any] = {}
    monkeypatch.setattr(Celery, "send_task", lambda *_, **options: sent.update(options))
    enqueue_module.enqueue.apply_async(["letters", {"secret": "canary"}])
    assert (sent["argsrepr"], sent["kwargsrepr"]) == ("(hidden)", "(hidden)")
