"""One worker process is the sentinel. If this process is gone, another process takes over. The sentinel needs neither
beat nor the broker."""

import logging
import threading
from collections.abc import Callable
from itertools import pairwise
from uuid import uuid4

import pytest
from psycopg.errors import InsufficientPrivilege

from queue_store.alerting import alerts
from queue_store.liveness.worker_processes import take_sentinel_lease
from tasks import app
from tasks.alerts import checking
from tasks.background import sentinel as sentinel_module
from tasks.background.sentinel import Sentinel
from tasks.celery_hardening.resilient_task import OutOfMemoryError
from tests.support.flow_runs import Worker, running_worker


def take(worker: Worker, process: object) -> bool:
    with worker.services.database.transaction() as cursor:
        return take_sentinel_lease(cursor, process, 25)  # type: ignore[arg-type]


def test_one_is_the_sentinel_until_it_is_silent(worker: Worker) -> None:
    first, second = uuid4(), uuid4()
    assert [take(worker, first), take(worker, second), take(worker, first)] == [True, False, True]
    worker.query("UPDATE beat_leader SET watches_until = now() - interval '1 second'")
    assert [take(worker, second), take(worker, first)] == [True, False]


def test_the_sentinel_rescues_what_is_overdue_and_stores_the_alerts(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_url", "redis://127.0.0.1:1/0")
    worker.declare(lambda payload: None, name="lost")
    [record_id] = worker.enqueue("lost", ["x"])
    worker.query(
        "UPDATE processing_queue SET status = 'processing', claimed_at = now(), claim_number = 1,"
        " flow_instance_id = gen_random_uuid()"
    )
    Sentinel(worker.services).check()
    assert [row.status for row in worker.rows([record_id])] == ["pending"]
    with worker.services.database.transaction() as cursor:
        assert "broker_unreachable" in {alert.code for alert in alerts.read_alerts(cursor)}


def test_the_others_only_ask_for_the_lease(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    take(worker, uuid4())
    monkeypatch.setattr(checking, "check_queue", pytest.fail)
    Sentinel(worker.services).check()


@pytest.mark.parametrize("luck", [0.8, 0.9, 1.0])
def test_it_checks_the_queue_at_least_every_twenty_seconds(
    luck: float, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause before each round is random. In this test, the check itself takes no time."""
    now, checked_at = 1000.0, list[float]()
    sentinel = Sentinel(worker.services)

    def pass_a_round(*_: float) -> float:
        nonlocal now
        now += sentinel_module.RENEW_SECONDS * luck
        if len(checked_at) == 5:
            sentinel.end()
        return 0

    monkeypatch.setattr(sentinel_module.random, "uniform", pass_a_round)
    monkeypatch.setattr(sentinel_module.time, "monotonic", lambda: now)
    monkeypatch.setattr(checking, "check_queue", lambda *_, **__: checked_at.append(now))
    sentinel.run()
    pauses = [after - before for before, after in pairwise(checked_at)]
    assert len(pauses) == 4
    assert all(10 < pause <= 20 for pause in pauses)


def test_a_database_that_stands_still_is_reported(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The database accepts connections but never answers, so no statement raises an error."""
    never = threading.Event()
    reported: list[str] = []
    monkeypatch.setattr(sentinel_module, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(sentinel_module, "take_sentinel_lease", lambda *_: never.wait(20))
    report: Callable[..., None] = lambda database, settings, error, notify: reported.append(str(error))  # noqa: E731
    monkeypatch.setattr(checking, "report_unusable", report)
    Sentinel(worker.services).check()
    never.set()
    assert reported == [
        "the database did not answer within 0.1 s: check whether the server hangs, and look at its disk and its load"
    ]


@pytest.mark.parametrize("urls", [(), ("test://primary",)])
def test_contacts_of_a_login_that_may_not_notify_are_said_to_be_without_effect(
    urls: tuple[str, ...],
    clean_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: object) -> bool:
        raise InsufficientPrivilege

    monkeypatch.setattr(sentinel_module, "RENEW_SECONDS", 0)
    monkeypatch.setattr(sentinel_module, "take_sentinel_lease", refuse)
    with running_worker(clean_database_url, monkeypatch, contact_primary=urls) as worker:
        Sentinel(worker.services).run()
    assert ("CONTACT_* have no effect here" in caplog.text) is bool(urls)


@pytest.mark.parametrize(
    "name", ["processing_queue.fan_out", "processing_queue.update_alerts", "tasks.health.database_review"]
)
def test_no_task_lets_a_memory_error_reach_celery(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A MemoryError that reached Celery would end the worker's main process."""
    app.loader.import_default_modules()

    def run_out() -> None:
        raise MemoryError

    monkeypatch.setattr(app.tasks[name], "run", run_out)
    with pytest.raises(OutOfMemoryError, match=name):
        app.tasks[name]()


def test_a_record_that_cannot_be_enqueued_for_want_of_memory_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app.loader.import_default_modules()
    task = app.tasks["processing_queue.enqueue"]
    retried: list[BaseException] = []

    def retry(exc: BaseException, countdown: float) -> Exception:
        retried.append(exc)
        return RuntimeError("sent again")

    def run_out() -> None:
        raise MemoryError

    monkeypatch.setattr("tasks.enqueue_task.worker_services", run_out)
    monkeypatch.setattr(task, "retry", retry)
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(RuntimeError, match="sent again"):
        task("quick", {})
    assert [type(error) for error in retried] == [MemoryError]
