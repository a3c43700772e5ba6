"""If two calls of `make` run at the same time, only one of them installs. `make test` calls pytest twice. At least
one of the two pytest calls must select tests."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
COPIED = ("Makefile", ".ci/one_at_a_time.py", "pyproject.toml", "hatch_build.py")
LOCKS = ("requirements-embedded.lock", "requirements-build.lock", "requirements-dev.lock")
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv --clear .venv")
        sleep 1
        mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo "$PWD/.venv/bin/python" > .venv/bin/pip
        printf '#!/bin/sh\\necho "queuectl $*"\\n' > .venv/bin/queuectl && chmod +x .venv/bin/queuectl
        echo venv >> calls ;;
    "-m pip "*) sleep 0.5; echo pip >> calls ;;
    "-m pytest "*"alone and not long"*) exit ${SECOND_HALF:-0} ;;
    "-m pytest "*) exit ${FIRST_HALF:-0} ;;
    *) exec "REAL" "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a fake Python. This Python notes the calls that would make an environment or install packages,
    and installs nothing."""
    directory = tmp_path / "a fresh clone"
    (directory / ".ci").mkdir(parents=True)
    for name in COPIED:
        shutil.copy(ROOT / name, directory / name)
    for name in LOCKS:
        (directory / name).touch()
    python = directory / "python"
    python.write_text(PYTHON.replace("REAL", sys.executable))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    return directory


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = ["make", f"PYTHON={checkout}/python", *arguments]
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "ARGS"))
    }
    return subprocess.Popen(
        command, cwd=checkout, env=clean | environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_two_at_once_install_once_and_the_second_says_that_it_waits(checkout: Path) -> None:
    answers = [process.communicate(timeout=60) for process in (make(checkout, "run"), make(checkout, "run"))]
    assert [out.splitlines()[-1] for out, _ in answers] == ["queuectl up", "queuectl up"]
    assert sorted(err for _, err in answers) == ["", "Another make is installing here. Waiting for it …\n"]
    assert (checkout / "calls").read_text().split() == ["venv", "pip", "pip"]


def test_the_second_call_installs_nothing_and_what_changed_is_installed_again(checkout: Path) -> None:
    assert make(checkout, "run", "ONCE=1").communicate(timeout=60)[0].endswith("queuectl up --once\n")
    (checkout / "calls").unlink()
    assert make(checkout, "run").communicate(timeout=60) == ("queuectl up\n", "")
    assert not (checkout / "calls").exists()
    stamp = (checkout / ".venv/run.stamp").stat()
    os.utime(checkout / "pyproject.toml", (stamp.st_atime + 60, stamp.st_mtime + 60))
    make(checkout, "run").communicate(timeout=60)
    assert (checkout / "calls").read_text().split() == ["pip", "pip"]


@pytest.mark.parametrize(
    ("together", "alone", "is_fine"),
    [(0, 0, True), (0, 5, True), (5, 0, True), (5, 5, False), (1, 0, False), (0, 1, False), (5, 1, False)],
)
def test_one_half_of_the_tests_may_be_empty_not_both(
    checkout: Path, together: int, alone: int, is_fine: bool
) -> None:
    process = make(checkout, "test", FIRST_HALF=str(together), SECOND_HALF=str(alone))
    process.communicate(timeout=60)
    assert (process.returncode == 0) == is_fine
