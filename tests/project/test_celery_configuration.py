"""Celery silently accepts misspelt settings and task options. So the tests compare our settings and options with those
that Celery knows."""

import ast
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app import defaults

import celeryconfig

ROOT = Path(__file__).parents[2]


def imported_modules(source: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(source.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def setting_names() -> list[str]:
    tree = ast.parse((ROOT / "celeryconfig.py").read_text())
    names = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return [name.id for name in names if isinstance(name, ast.Name) and not name.id.startswith("_")]


OLD_NAMES = {
    "tasks.alerts.update_alerts": "processing_queue.update_alerts",
    "tasks.claim_batch": "processing_queue.claim_batch",
    "tasks.enqueue": "processing_queue.enqueue",
    "tasks.fan_out": "processing_queue.fan_out",
    "tasks.report.daily_report": "processing_queue.daily_report",
    "tasks.schedule.run_occurrence": "processing_queue.run_occurrence",
}


def our_tasks(app: Celery) -> dict[str, Any]:
    return {n: task for n, task in app.tasks.items() if n.startswith(("tasks.", "processing_queue."))}


@pytest.fixture(scope="module")
def tasks_app() -> Celery:
    from tasks import app

    app.loader.import_default_modules()
    return app


@pytest.mark.parametrize("name", setting_names())
def test_every_setting_is_known_to_celery(name: str) -> None:
    assert name in {known for known, _ in defaults.flatten(defaults.NAMESPACES)}


def test_the_configuration_names_tasks_by_string_only() -> None:
    assert not {m for m in imported_modules(ROOT / "celeryconfig.py") if m.split(".")[0] == "tasks"}


def test_beat_sends_only_tasks_that_exist_with_options_that_exist(tasks_app: Celery) -> None:
    for entry in celeryconfig.beat_schedule.values():
        assert entry["task"] in tasks_app.tasks
        assert set(entry["options"]) <= {"queue", "expires"}
        assert set(entry) <= {"task", "schedule", "args", "kwargs", "options", "relative"}


def test_every_task_of_ours_ignores_its_result_and_is_acknowledged_early(tasks_app: Celery) -> None:
    for name, task in our_tasks(tasks_app).items():
        assert task.ignore_result, name
        holds_a_record = name in ("processing_queue.enqueue", "tasks.enqueue")
        assert task.acks_late is holds_a_record, name
        assert bool(task.reject_on_worker_lost) is holds_a_record, name


def test_every_task_of_ours_is_routed_by_its_exact_name(tasks_app: Celery) -> None:
    current = {name for name in our_tasks(tasks_app) if name not in OLD_NAMES}
    assert set(celeryconfig.task_routes) == current
    assert not [pattern for pattern in celeryconfig.task_routes if "*" in pattern]


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_a_message_in_flight_finds_its_task_by_the_old_name(tasks_app: Celery, old: str, new: str) -> None:
    assert tasks_app.tasks[old].run.__code__ is tasks_app.tasks[new].run.__code__


def test_only_json_is_accepted() -> None:
    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == celeryconfig.result_serializer == "json"
