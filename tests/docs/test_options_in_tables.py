"""The code accepts every option that a table of the documents offers."""

import dataclasses
import inspect
import re

import pytest
from celery import Celery, Task
from celery.result import AsyncResult

import tasks
from queue_store.enqueueing import RecordOptions, enqueue
from tasks import Backoff
from tasks.authoring import registry
from tasks.authoring.flow import FlowOptions
from tasks.celery import DurableCelery
from tasks.testing import QueueTester
from tests.support.documents import ROOT, table_rows

DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
CODE = re.compile(r"`([^`]+)`")
OPTION = re.compile(r"\b([a-z_]+)=(?!=)")

OURS = {
    *FlowOptions.__annotations__,
    *RecordOptions.__annotations__,
    *inspect.signature(enqueue).parameters,
    *(field.name for field in dataclasses.fields(Backoff)),
    *inspect.signature(QueueTester.records).parameters,
    *inspect.signature(DurableCelery).parameters,
}
PYTHONS = {"x", "days", "hours", "minutes", "seconds"}
LIBPQS = {"target_session_attrs"}
DJANGOS = {"queue_name", "priority", "run_after", "backend"}  # options of a task's `using()`
CELERYS = {
    *inspect.signature(Task.apply_async).parameters,
    *inspect.signature(AsyncResult.revoke).parameters,
    *inspect.signature(Task.retry).parameters,
    *("countdown", "eta", "priority", "queue"),
}

OF_TASKS = {*vars(Task), *inspect.signature(Celery._task_from_fun).parameters}


def code_of(cells: list[str]) -> list[str]:
    return [code for cell in cells for code in CODE.findall(cell)]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_in_a_table_exists(document: str) -> None:
    rows = table_rows(document)
    ours = [row[1:] if document == "docs/coming-from-celery.md" else row for row in rows]
    named = {option for row in ours for code in code_of(row) for option in OPTION.findall(code)}
    theirs = CELERYS | OF_TASKS if document == "docs/celery-applications.md" else set()
    assert named - OURS - PYTHONS - LIBPQS - DJANGOS - theirs == set()


def test_every_option_of_celery_on_the_page_for_its_users_exists() -> None:
    named = {
        option
        for row in table_rows("docs/coming-from-celery.md")
        for code in code_of(row[:1])
        for option in OPTION.findall(code)
    }
    assert named
    assert named - CELERYS == set()


def test_every_decorator_in_a_table_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_flows", {})
    codes = [code for document in DOCUMENTS for row in table_rows(document) for code in code_of(row)]
    decorators = [code for code in codes if code.startswith("@flow(") and "…" not in code]
    assert "@flow(retry_on={ValueError: PERMANENT})" in decorators
    for number, decorator in enumerate(decorators):
        source = f"{decorator}\ndef shown_in_a_table_{number}(payload): ..."
        exec(compile(source, decorator, "exec"), {name: getattr(tasks, name) for name in tasks.__all__})  # noqa: S102
