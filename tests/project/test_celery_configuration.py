"""Celery accepts misspelt settings and task options in silence, so they are compared with what it knows."""

import ast
from pathlib import Path

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
    ours = {name: task for name, task in tasks_app.tasks.items() if name.startswith("tasks.")}
    assert ours
    for name, task in ours.items():
        assert task.ignore_result, name
        assert task.acks_late is (name == "processing_queue.enqueue"), name


def test_only_json_is_accepted() -> None:
    assert celeryconfig.accept_content == ["json"]
    assert celeryconfig.task_serializer == celeryconfig.result_serializer == "json"
