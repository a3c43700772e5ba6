"""If a file hides a package of this project, the containers' entry point names the file and ends. Otherwise it runs the
command."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.compose.places import ROOT

ENTRYPOINT = ROOT / "compose/entrypoint.py"


def start(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ENTRYPOINT, *command], cwd=directory, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("option", [("-A", "tasks"), ("--app=tasks",), ("--app", "tasks")])
def test_a_module_tasks_of_the_flows_is_named(option: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    done = start(tmp_path, "celery", *option, "worker")
    assert done.returncode == 1
    assert f"Error: {tmp_path / 'tasks.py'} hides the package `tasks`" in done.stderr
    assert "celery -A processing_queue" in done.stderr


@pytest.mark.parametrize("name", ["processing_queue", "queue_store"])
def test_a_module_with_a_name_of_ours_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    done = start(tmp_path, "queuectl", "status")
    assert done.returncode == 1
    assert f"{tmp_path / name / '__init__.py'} hides the package `{name}`" in done.stderr


def test_another_command_runs_next_to_a_module_tasks(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    done = start(tmp_path, "sh", "-c", "echo ran; exit 7")
    assert (done.stdout, done.returncode) == ("ran\n", 7)


def test_without_a_command_it_says_what_to_try(tmp_path: Path) -> None:
    assert "queuectl --help" in start(tmp_path).stderr
