"""A virtual environment outside of this checkout, like that of an application."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 600


def run(command: Sequence[str | Path], cwd: Path, exit_code: int | None = 0, **environment: str) -> str:
    """Returns the output of the command, including stderr."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "PATH") if name in os.environ}
    answer = subprocess.run(
        command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=LONGEST_SECONDS
    )
    assert exit_code in (None, answer.returncode), answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def build_wheel(directory: Path) -> Path:
    run([sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", directory], cwd=ROOT)
    return next(directory.glob("processing_queue-*.whl"))


@dataclass(frozen=True)
class CleanEnvironment:
    """An environment with locked dependencies. `lock`: the lock file, as a path or as a file name in the checkout."""

    place: Path

    @classmethod
    def create(cls, place: Path, lock: str | Path) -> "CleanEnvironment":
        venv.create(place, with_pip=True)
        environment = cls(place)
        locked = ("--require-hashes", "--only-binary", ":all:", "-r", ROOT / lock)
        environment.pip("install", "--no-compile", *locked)  # a module is compiled when a test imports it
        return environment

    @property
    def python(self) -> Path:
        return self.place / "bin/python"

    def script(self, name: str) -> Path:
        return self.place / "bin" / name

    def pip(self, command: str, *arguments: str | Path) -> None:
        run(
            [self.python, "-m", "pip", command, "-qq", "--disable-pip-version-check", *arguments],
            cwd=self.place,
        )
