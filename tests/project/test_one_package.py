"""`tasks` and `processing_queue` are one package, which contains the module `celeryconfig`. No module is imported
twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EVERY_MODULE_ONCE = """
import importlib, pkgutil, sys
importlib.import_module(sys.argv[1])
import celeryconfig, processing_queue, processing_queue.celeryconfig, tasks, tasks.celeryconfig

assert tasks is processing_queue
assert celeryconfig is processing_queue.celeryconfig is tasks.celeryconfig
import django
from django.conf import settings

apps = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.admin", "processing_queue.django"]
settings.configure(INSTALLED_APPS=apps)
django.setup()
names = [m.name for m in pkgutil.walk_packages(processing_queue.__path__, "processing_queue.")]
for name in names:
    other = name.replace("processing_queue", "tasks", 1)
    assert importlib.import_module(other) is importlib.import_module(name), name
by_file = {}
for name, module in list(sys.modules.items()):
    if name.split(".")[0] in ("celeryconfig", "processing_queue", "queue_store", "tasks"):
        assert by_file.setdefault(module.__file__, module) is module, name
assert "processing_queue.worker.shared_slots" in sys.modules
assert len(names) > 100
"""


@pytest.mark.parametrize("first", ["tasks", "processing_queue", "celeryconfig", "tasks.worker.services"])
@pytest.mark.parametrize("start", ["checkout", "elsewhere"])
def test_every_module_exists_once_whatever_is_imported_first(first: str, start: str, tmp_path: Path) -> None:
    directory = ROOT if start == "checkout" else tmp_path
    environment = {**os.environ, "CELERY_BROKER_URL": "memory://"}
    done = subprocess.run(
        [sys.executable, "-c", EVERY_MODULE_ONCE, first],
        cwd=directory, env=environment, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
