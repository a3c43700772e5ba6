"""On a Python that the embedded Redis has no wheel for, one message says what to do."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CANDIDATES = [shutil.which("python3.13"), *Path.home().glob(".pyenv/versions/3.13.*/bin/python")]
PROGRAM = """
import sys
from tasks.embedded.errors import EmbeddedServerError
from tasks.embedded.programs import redis_program
try:
    redis_program(None)
except EmbeddedServerError as error:
    sys.exit(str(error))
"""


def test_python_3_13_is_told_which_python_to_use(tmp_path: Path) -> None:
    python = next((path for path in CANDIDATES if path and works(path)), None)
    if python is None:
        pytest.skip("no Python 3.13 here")
    done = subprocess.run(
        [python, "-c", PROGRAM], env={"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "There is no embedded Redis for Python 3.13" in done.stderr
    assert "make PYTHON=python3.12" in done.stderr
    assert "CELERY_BROKER_URL" in done.stderr
    assert "Traceback" not in done.stderr


def works(python: str | os.PathLike[str]) -> bool:
    """pyenv puts a python3.13 on PATH that only says that none is chosen."""
    return subprocess.run([python, "-c", ""], capture_output=True).returncode == 0
