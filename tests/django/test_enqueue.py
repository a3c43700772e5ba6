"""`enqueue` of a Django task writes a record in Django's own transaction."""

import asyncio
import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store import CommitUnknownError
from tests.support.django_site import configure_django
from tests.support.flow_runs import Worker
from tests.support.server_proxy import MARK, LostReply

pytestmark = pytest.mark.usefixtures("task_worker")


def records(worker: Worker) -> list[Any]:
    return worker.query("SELECT * FROM processing_queue ORDER BY id")


def test_a_record_with_the_arguments(shop: Any, task_worker: Worker) -> None:
    result = shop.add.enqueue(1, two=3)
    (record,) = records(task_worker)
    assert result.id == str(record.id)
    assert record.flow_name == "tests.django.shop.tasks.add"
    assert record.payload == {"args": [1], "kwargs": {"two": 3}}
    assert (result.status, result.attempts, result.errors) == ("READY", 0, [])


def test_it_is_rolled_back_with_atomic(shop: Any, task_worker: Worker) -> None:
    from django.db import transaction

    with transaction.atomic():
        shop.add.enqueue(1)
        transaction.set_rollback(True)
    assert records(task_worker) == []


def test_it_is_committed_with_atomic_and_not_before(shop: Any, task_worker: Worker) -> None:
    from django.db import transaction

    with transaction.atomic():
        result = shop.add.enqueue(1)
        assert records(task_worker) == []
        assert shop.add.get_result(result.id).status == "READY"  # found in the same transaction
    assert len(records(task_worker)) == 1


def test_a_broken_transaction_is_djangos_error(shop: Any) -> None:
    from django.db import transaction

    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            shop.add.enqueue(1)


def test_asynchronously(shop: Any, task_worker: Worker) -> None:
    result = asyncio.run(shop.add.aenqueue(1))
    assert [str(record.id) for record in records(task_worker)] == [result.id]


@pytest.mark.parametrize(
    ("priority", "expected"), [(100, 0), (81, 0), (20, 4), (1, 4), (0, 5), (-1, 6), (-76, 9), (-100, 9)]
)
def test_priorities_are_mapped(shop: Any, task_worker: Worker, priority: int, expected: int) -> None:
    result = shop.add.using(priority=priority).enqueue(1)
    assert records(task_worker)[0].priority == expected
    assert shop.add.get_result(result.id).task.priority == priority


def test_run_after(shop: Any, task_worker: Worker) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    task = shop.add.using(run_after=later)
    result = task.enqueue(1)
    assert records(task_worker)[0].scheduled_at == later
    assert shop.add.get_result(result.id).task == task


def test_another_queue_is_another_flow(shop: Any, task_worker: Worker) -> None:
    task = shop.add.using(queue_name="urgent")
    result = task.enqueue(1)
    assert records(task_worker)[0].flow_name == "tests.django.shop.tasks.add-urgent"
    assert task_worker.services.flows["tests.django.shop.tasks.add-urgent"].queue == "urgent"
    assert shop.add.get_result(result.id).task == task


def test_what_is_no_json_is_refused(shop: Any, task_worker: Worker) -> None:
    with pytest.raises(TypeError, match="Unsupported type"):
        shop.add.enqueue(datetime.now(UTC))
    assert records(task_worker) == []


def test_a_task_that_no_worker_registered_is_refused_with_the_way_out(shop: Any, task_worker: Worker) -> None:
    from tasks.django.task_library import InvalidTask

    task_worker.query("DELETE FROM flows WHERE flow_name = 'tests.django.shop.tasks.add'")
    with pytest.raises(InvalidTask, match="FLOW_MODULES=processing_queue"):
        shop.add.enqueue(1)


class Sender:
    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        self.sent.append(flow_name)
        return True


def send_hints_with(sender: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = shop.add.get_backend()
    monkeypatch.setattr(backend, "flow_settings", replace(backend.flow_settings, hint_sender=sender))


def test_a_hint_follows_the_commit(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import transaction

    sender = Sender()
    send_hints_with(sender, shop, monkeypatch)
    with transaction.atomic():
        shop.add.enqueue(1)
        assert sender.sent == []
    assert sender.sent == ["tests.django.shop.tasks.add"]
    shop.add.enqueue(2)
    assert sender.sent == ["tests.django.shop.tasks.add"] * 2


def test_a_transaction_whose_end_django_does_not_see_gets_no_hint(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import transaction

    sender = Sender()
    send_hints_with(sender, shop, monkeypatch)
    transaction.set_autocommit(False)
    try:
        assert int(shop.add.enqueue(1).id) > 0
        transaction.commit()
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert (len(records(task_worker)), sender.sent) == (1, [])


@pytest.mark.parametrize(
    ("sender", "sentence"),
    [
        ("shop.hints.sendr", "hint_sender.*shop.hints.sendr.*cannot be imported"),
        ("tests.django.test_enqueue.Sender", "hint_sender names the class Sender: name an object"),
        (object(), "hint_sender: object has no method send"),
    ],
)
def test_a_wrong_hint_sender_is_refused_before_the_record_is_written(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch, sender: Any, sentence: str
) -> None:
    from tasks.django.task_library import InvalidTaskBackend

    send_hints_with(sender, shop, monkeypatch)
    with pytest.raises(InvalidTaskBackend, match=sentence):
        shop.add.enqueue(1)
    assert records(task_worker) == []


def using_another_backend(
    shop: Any, monkeypatch: pytest.MonkeyPatch, alias: str, options: dict[str, Any]
) -> Any:
    """`alias`: another one in each test, because Django keeps its backends."""
    from tasks.django.task_library import task_backends

    other = type(shop.add.get_backend())(alias, {"OPTIONS": options})
    monkeypatch.setitem(task_backends.settings, alias, {})
    monkeypatch.setattr(task_backends, "create_connection", lambda _: other)
    return shop.add.using(backend=alias)


def test_another_backend_with_other_options_is_refused(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers would apply the options of the declared backend."""
    from tasks.django.task_library import InvalidTask

    elsewhere = using_another_backend(shop, monkeypatch, "strict", {"flow": {"max_retries": 0}})
    with pytest.raises(InvalidTask, match=r'declared for the backend "default".*@task\(backend="strict"\)'):
        elsewhere.enqueue(1)
    assert records(task_worker) == []


def test_another_backend_with_the_same_options_is_accepted(
    shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = using_another_backend(shop, monkeypatch, "same", {"flow": {"max_retries": 1}}).enqueue(1)
    assert result.backend == "same"
    assert [str(record.id) for record in records(task_worker)] == [result.id]


def test_tests_of_others_find_no_django_in_the_environment(site: None) -> None:
    """If DJANGO_SETTINGS_MODULE were set, Celery would set up Django in each worker that other tests start."""
    assert "DJANGO_SETTINGS_MODULE" not in os.environ


@pytest.mark.parametrize("mark", [MARK, "own_records"])
def test_if_a_reply_is_lost_in_autocommit_mode_the_caller_hears_that_the_record_may_exist(
    shop: Any, task_worker: Worker, mark: str
) -> None:
    with closing(LostReply(task_worker.services.database, mark=mark)) as proxy:
        configure_django(proxy.url)
        with pytest.raises(CommitUnknownError, match="unknown whether the record was written"):
            shop.add.enqueue(MARK)
    assert len(records(task_worker)) == 1
