"""A running `queuectl up`, its output, and all processes that it started."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

QUEUECTL = Path(sys.executable).with_name("queuectl")
FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "ENVIRONMENT")


class Up:
    def __init__(
        self,
        directory: Path,
        *options: str,
        command: Sequence[str | Path] = (QUEUECTL, "up"),
        environment: dict[str, str] | None = None,
        **popen: Any,
    ) -> None:
        """`environment`: variables in addition to those of the test's process. `popen`: further arguments of Popen."""
        ours = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self.process = subprocess.Popen(
            [*command, "--data-directory", str(directory), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if "--json" in options else subprocess.STDOUT,
            text=True,
            env=ours | (environment or {}),
            **popen,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.output += line

    def wait_for(self, text: str) -> None:
        until(lambda: text in self.output or self.process.poll() is not None, 90)
        assert text in self.output, self.output

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def pid_of(self, word: str) -> int | None:
        """Returns the pid of a service's main process: the direct child of `queuectl up` whose command line contains
        `word`."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if word in " ".join(child.cmdline()):
                    return child.pid
        return None

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(150)
        self._reader.join(10)
        return code


def until(is_true: Callable[[], object], bound_seconds: float = 30) -> None:
    deadline = time.monotonic() + bound_seconds
    while not is_true():
        assert time.monotonic() < deadline, f"it did not happen in {bound_seconds} s"
        time.sleep(0.05)


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=30)[1]
