"""If a check fails, `.ci/run` fails, whichever of its parallel lanes runs the check. The summary names the failed
tests."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.documents import ROOT

# This script stands in for `make`. Its exit code is $CODE for the target $FAILING, and 0 for any other target.
MAKE = """#!/bin/sh
[ "$1" = "$FAILING" ] || exit 0
echo "FAILED tests/runs/test_run.py::test_it[a b] - assert 1 == 2"
echo "1 failed, 2 passed in 0.10s"
exit "$CODE"
"""
PROGRAMS = ("chromium", "promtool", "pgbouncer", "podman")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / ".ci").mkdir()
    shutil.copyfile(ROOT / ".ci/run", tmp_path / ".ci/run")
    for name in (".ci/first_run", ".venv/bin/python", *(f"bin/{program}" for program in PROGRAMS)):
        write_program(tmp_path / name, "#!/bin/sh\n")
    write_program(tmp_path / "bin/make", MAKE)
    write_program(tmp_path / "bin/apt-get", "#!/bin/sh\nexit 1\n")
    return tmp_path


def write_program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text)
    path.chmod(0o755)


def run(checkout: Path, failing: str, code: int) -> tuple[int, str]:
    environment = {
        "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
        "HOME": str(checkout),
        "FAILING": failing,
        "CODE": str(code),
    }
    result = subprocess.run(
        ["bash", ".ci/run"], cwd=checkout, env=environment, capture_output=True, text=True, timeout=60
    )
    assert result.stderr == ""
    return result.returncode, result.stdout.rpartition("=== Summary")[2]


@pytest.mark.parametrize(
    ("failing", "title"), [("test", "Tests"), ("docs", "Docs site"), ("wheels", "Wheels of every platform")]
)
def test_a_check_that_fails_fails_it_and_its_tests_are_named(
    checkout: Path, failing: str, title: str
) -> None:
    code, summary = run(checkout, failing, 1)
    assert code == 1
    lines = summary.splitlines()
    [place] = [number for number, line in enumerate(lines) if line.startswith("FAILED")]
    assert title in lines[place]
    assert lines[place + 1].split() == ["FAILED", "tests/runs/test_run.py::test_it[a", "b]"]
    assert sum(line.startswith("ok ") for line in lines) > 15


def test_a_check_that_could_not_look_is_skipped_aloud(checkout: Path) -> None:
    code, summary = run(checkout, "compose-test", 75)
    assert code == 0
    assert [line.split()[0] for line in summary.splitlines() if "compose" in line] == ["SKIPPED"]


def test_it_passes_if_every_check_does(checkout: Path) -> None:
    code, summary = run(checkout, "nothing", 1)
    assert code == 0
    assert "FAILED" not in summary


def test_it_does_not_pass_if_a_lane_ends_before_its_checks(checkout: Path) -> None:
    write_program(checkout / "bin/renice", "#!/bin/sh\nexit 1\n")
    code, _ = run(checkout, "nothing", 1)
    assert code == 1
