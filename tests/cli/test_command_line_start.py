"""`queuectl --help` is quick because it loads no large packages. `tasks` still exports all its public names."""

import subprocess
import sys

import pytest

HEAVY = ("celery", "sqlalchemy", "psycopg", "alembic", "rich", "redis", "kombu")


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_help_text_loads_nothing_heavy() -> None:
    program = f"""
import sys
from tasks.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    output = run(program)
    assert "enqueue" in output
    assert "loaded: []" in output


def test_what_the_package_exports_is_never_a_module_of_the_same_name() -> None:
    """The order of the imports does not matter."""
    for first in ("import tasks.app, tasks.authoring.flow, tasks.worker.services", "pass"):
        program = f"""
{first}
import tasks
from celery import Celery
from celery.app.utils import find_app
assert isinstance(tasks.app, Celery)
assert find_app("tasks") is tasks.app
from tasks import app, flow, Backoff, FlowContext, PermanentError, SnoozeRecord, FlowDeclarationError
assert flow.__name__ == "flow" and callable(flow)
from tasks import *
"""
        run(program)


def test_a_command_that_looks_loads_neither_sqlalchemy_nor_celery(
    clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for command in ("status", "failures"):
        program = f"""
import sys
from tasks.cli import main
try:
    main([{command!r}])
except SystemExit as end:
    assert not end.code
print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
        assert "loaded: ['psycopg']" in run(program)
