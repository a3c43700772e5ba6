"""Runs Django's own tests of tasks on our backend: `python -m tests.django.djangos_own_tests`.

The tests are downloaded with Django's source distribution, and use our backend in place of Django's in-memory backends.
Tests that do not fit our backend are skipped: LEFT_OUT names each of them with the reason.
"""

import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import django

from tests.support.servers import running_postgres

ROOT = Path(__file__).parents[2]
OURS_CAN = "ours can"
IN_MEMORY = "changes or reads what only a backend in memory has"
NOT_AWAITED = "asks the database from a coroutine, without awaiting"
LOG = "the log of an attempt is the worker's"
LEFT_OUT = {
    "test_dummy_backend.py": {
        "test_using_correct_backend": "asserts that there are no options",
        "test_enqueue_task_async": NOT_AWAITED,
        "test_get_missing_result": NOT_AWAITED,
        "test_refresh_result": IN_MEMORY,
        "test_refresh_result_async": IN_MEMORY,
    },
    "test_immediate_backend.py": {
        "test_using_correct_backend": "asserts that there are no options",
        "test_cannot_get_result": OURS_CAN,
        "test_cannot_refresh_result": OURS_CAN,
        "test_cannot_pass_run_after": OURS_CAN,
        "test_throws_keyboard_interrupt": "a worker records it as any other error",
        "test_enqueue_logs": LOG,
        "test_failed_logs": LOG,
        "test_complex_return_value": "the error is a subclass of the TypeError that it asserts",
        "test_doesnt_wait_until_transaction_commit_by_default": "asserts that a task runs before the COMMIT",
    },
    "test_tasks.py": {
        "test_refresh_result": NOT_AWAITED,
        "test_enqueue_task_async": NOT_AWAITED,
        "test_get_missing_result": NOT_AWAITED,
    },
}
SETTINGS = """
from tests.support.django_site import database_settings
import os

DATABASES = {"default": database_settings(os.environ["DATABASE_URL"], test_name="djangos_own")}
INSTALLED_APPS = ["django.contrib.contenttypes", "processing_queue.django", "tasks"]
TASKS = {"default": {"BACKEND": "processing_queue.django.ProcessingQueueBackend", "QUEUES": ["default", "queue_1"],
    "OPTIONS": {"flow": {"max_retries": 0}}}}
TEST_RUNNER = "processing_queue.django.testing.QueueTestRunner"
SECRET_KEY = "own"
USE_TZ = True
"""


def main() -> int:
    if django.VERSION < (6, 0):
        sys.stdout.write("skipped: the backport is published without its tests\n")
        return 0
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        _download(directory)
        (directory / "own_settings.py").write_text(SETTINGS)
        with running_postgres() as server:
            return subprocess.run(
                [sys.executable, "-m", "django", "test", "--noinput", "tasks"],
                cwd=directory,
                env={
                    **os.environ,
                    "DATABASE_URL": server.database_url("postgres"),
                    "DJANGO_SETTINGS_MODULE": "own_settings",
                    "PYTHONPATH": f"{directory}:{ROOT}",
                },
                timeout=240,
            ).returncode


def _download(directory: Path) -> None:
    wanted = f"django=={django.__version__}"
    command = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps",
        "--no-binary", "django", "-d", str(directory), wanted]  # fmt: skip
    subprocess.run(command, check=True, timeout=240)
    (archive,) = directory.glob("*.tar.gz")
    with tarfile.open(archive) as files:
        for member in files.getmembers():
            _, _, name = member.name.partition("/tests/")
            if re.fullmatch(r"tasks/\w+\.py", name):
                source = files.extractfile(member)
                assert source
                target = directory / name
                target.parent.mkdir(exist_ok=True)
                target.write_text(on_our_backend(target.name, source.read().decode()))


def on_our_backend(file_name: str, text: str) -> str:
    """Changes a test file of Django, so that it uses our backend."""
    contract = "tests.django.contract"
    for module, theirs, ours in (
        ("dummy", "DummyBackend", "StoringBackend"),
        ("immediate", "ImmediateBackend", "RunningBackend"),
    ):
        path = f"django.tasks.backends.{module}"
        text = text.replace(f'"{path}.{theirs}"', f'"{contract}.{ours}"')
        text = text.replace(f"from {path} import {theirs}", f"from {contract} import {ours} as {theirs}")
    text = re.sub(
        r"(from django\.test import )SimpleTestCase, ", rf"from {contract} import SimpleTestCase\n\1", text
    )
    for name, reason in LEFT_OUT.get(file_name, {}).items():
        skipped = rf"    @unittest.skip({reason!r})\n\g<0>"
        text = re.sub(rf"^    (async )?def {name}\(", skipped, text, flags=re.MULTILINE)
    return f"import unittest\n{text}"


if __name__ == "__main__":
    sys.exit(main())
