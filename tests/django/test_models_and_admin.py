"""Tests the Django app: its read-only models, and the admin with its actions."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.django.conftest import client_of
from tests.support.flow_runs import Worker

Work = Callable[[str], None]
FAILING = "tests.django.shop.tasks.fail_for_good"


@pytest.fixture
def admin_client(admin_tables: None, task_worker: Worker) -> Any:
    from django.contrib.auth import get_user_model

    return client_of(get_user_model().objects.get(username="Olga"))


def act(client: Any, model: str, action: str, *keys: object, **more: str) -> str:
    """Applies the action. Returns the message that the admin shows."""
    answer = client.post(
        f"/admin/processing_queue/{model}/",
        {"action": action, "_selected_action": [str(key) for key in keys], **more},
        follow=True,
    )
    assert answer.status_code == 200
    return " ".join(re.findall(r'<li class="(?:success|error|warning)">(.*?)</li>', answer.content.decode()))


def test_models_read_the_queue(shop: Any, work_off: Work) -> None:
    from tasks.django.models import Attempt, Flow, Record, Run

    result = shop.fail_for_good.enqueue("no money")
    work_off("fail_for_good")
    record = Record.objects.get(pk=result.id)
    assert (record.status, record.payload) == ("failed", {"args": ["no money"], "kwargs": {}})
    assert [attempt.exception_type for attempt in record.attempts.all()] == ["CardRefusedError"]
    assert Attempt.objects.filter(record__status="failed").count() == 1
    assert Flow.objects.get(pk=FAILING).max_retries == 0
    assert Run.objects.get(pk=record.flow_instance_id).records_failed == 1


def test_models_write_nothing(shop: Any, task_worker: Worker) -> None:
    from tasks.django.models import ReadOnlyError, Record

    result = shop.add.enqueue(1)
    record = Record.objects.get(pk=result.id)
    for write in (
        record.save,
        record.delete,
        Record.objects.all().delete,
        lambda: Record.objects.update(status="failed"),
        lambda: Record.objects.create(flow_name="x"),
        lambda: Record.objects.bulk_create([Record()]),
    ):
        with pytest.raises(ReadOnlyError):
            write()
    assert task_worker.statuses() == {"pending": 1}


@pytest.mark.parametrize("model", ["record", "flow", "run", "auditentry"])
def test_the_admin_lists_everything(
    admin_client: Any, shop: Any, work_off: Work, task_worker: Worker, model: str
) -> None:
    from queue_store import DistributedProcessor

    shop.fail_for_good.enqueue("no money")
    work_off("fail_for_good")
    DistributedProcessor(task_worker.services.database).pause(FAILING, actor="Olga")
    answer = admin_client.get(f"/admin/processing_queue/{model}/?q=")
    assert answer.status_code == 200
    assert "1 " in answer.content.decode()


def test_the_admin_shows_a_record_with_its_attempts_but_no_payload(
    admin_client: Any, shop: Any, work_off: Work
) -> None:
    result = shop.fail_for_good.enqueue("a secret reason")
    work_off("fail_for_good")
    page = admin_client.get(f"/admin/processing_queue/record/{result.id}/change/").content.decode()
    assert "CardRefusedError" in page
    assert f"https://flower.example.net/queue/records/{result.id}" in page
    assert "kwargs" not in page


def test_the_admin_shows_payloads_where_the_setting_allows_it(
    admin_client: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = shop.add.enqueue(1)
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_SHOW_PAYLOADS", "true")
    page = admin_client.get(f"/admin/processing_queue/record/{result.id}/change/").content.decode()
    assert "kwargs" in page


def test_the_admin_filters_and_finds(admin_client: Any, shop: Any) -> None:
    result = shop.add.enqueue(1)
    url = "/admin/processing_queue/record/"
    assert f">{result.id}</a>" in admin_client.get(f"{url}?status=pending").content.decode()
    assert f">{result.id}</a>" not in admin_client.get(f"{url}?status=failed").content.decode()
    assert f">{result.id}</a>" in admin_client.get(f"{url}?q={result.id}").content.decode()


def test_reset_and_cancel(admin_client: Any, shop: Any, work_off: Work, task_worker: Worker) -> None:
    failed = shop.fail_for_good.enqueue("no money")
    work_off("fail_for_good")
    assert act(admin_client, "record", "reset", failed.id).startswith("1 reset")
    assert task_worker.statuses() == {"pending": 1}
    assert act(admin_client, "record", "cancel", failed.id).startswith("1 cancelled")
    assert task_worker.statuses() == {"cancelled": 1}
    audit = task_worker.query("SELECT actor, action FROM audit_log ORDER BY id")
    assert [(row.actor, row.action) for row in audit] == [("Olga", "reset"), ("Olga", "cancel")]


@pytest.mark.parametrize("action", ["reset", "cancel"])
def test_an_action_on_more_records_than_the_page_counts_changes_nothing(
    admin_client: Any, shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    """The page offers to choose all records that match, but counts at most COUNTED_AT_MOST of them."""
    monkeypatch.setattr("tasks.django.admin.COUNTED_AT_MOST", 2)
    results = [shop.add.enqueue(number) for number in range(3)]
    said = act(admin_client, "record", action, results[0].id, select_across="1")
    assert "More than 2 records match, so nothing was changed." in said
    assert task_worker.statuses() == {"pending": 3}


def test_pause_and_resume(admin_client: Any, task_worker: Worker) -> None:
    paused = "SELECT flow_name FROM flows WHERE paused_at IS NOT NULL"
    assert act(admin_client, "flow", "pause", FAILING) == "1 paused."
    assert [row.flow_name for row in task_worker.query(paused)] == [FAILING]
    assert act(admin_client, "flow", "resume", FAILING) == "1 resumed."
    assert task_worker.query(paused) == []


def test_an_error_of_the_queue_is_shown(admin_client: Any, task_worker: Worker, monkeypatch: Any) -> None:
    from queue_store import UnknownFlowError
    from queue_store.operators.operators import Operators

    def refuse(*_: Any, **__: Any) -> None:
        raise UnknownFlowError("no such flow")

    monkeypatch.setattr(Operators, "pause", refuse)
    assert act(admin_client, "flow", "pause", FAILING) == "No such flow"


def test_who_may_only_view_has_no_actions(admin_client: Any, shop: Any, task_worker: Worker) -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Permission

    result = shop.add.enqueue(1)
    guest = get_user_model().objects.create_user("guest", is_staff=True)
    guest.user_permissions.add(Permission.objects.get(codename="view_record"))
    client = client_of(guest)
    assert f">{result.id}</a>" in client.get("/admin/processing_queue/record/").content.decode()
    act(client, "record", "cancel", result.id)
    assert task_worker.statuses() == {"pending": 1}


def test_counting_is_bounded(shop: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.django import admin
    from tasks.django.models import Record

    for number in range(3):
        shop.add.enqueue(number)
    monkeypatch.setattr(admin, "COUNTED_AT_MOST", 2)
    assert admin.BoundedPaginator(Record.objects.all(), 100).count == 2
