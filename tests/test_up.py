"""`queuectl up`: everything starts from nothing, the sample ends as expected, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.servers import reachable_directory

pytestmark = pytest.mark.long

QUEUECTL = Path(sys.executable).with_name("queuectl")


class Up:
    """A running `queuectl up`, its output, and every process below it."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [QUEUECTL, "up", "--data-directory", str(directory), *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={name: value for name, value in os.environ.items() if name not in FOREIGN},
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
        """Of the main process of a service: the one directly below us whose command line has the word."""
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if word in " ".join(child.cmdline()):
                    return child.pid
        return None

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


FOREIGN = ("DATABASE_URL", "CELERY_BROKER_URL", "ENVIRONMENT")


def until(is_true: Callable[[], object], bound_seconds: float = 30) -> None:
    deadline = time.monotonic() + bound_seconds
    while not is_true():
        assert time.monotonic() < deadline, f"it did not happen in {bound_seconds} s"
        time.sleep(0.05)


def left_of(processes: list[psutil.Process]) -> list[psutil.Process]:
    return psutil.wait_procs(processes, timeout=15)[1]


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


@pytest.fixture(scope="module")
def up(directory: Path) -> Iterator[Up]:
    running = Up(directory)
    try:
        running.wait_for("Ctrl-C stops everything")
        yield running
    finally:
        running.end(signal.SIGTERM)


def test_the_sample_ends_as_expected_and_the_summary_says_where_to_look(up: Up, directory: Path) -> None:
    assert "Every record reached its expected end." in up.output
    assert "http://127.0.0.1:" in up.output
    assert str(directory / "logs") in up.output


def test_a_second_one_on_the_same_data_is_refused_by_name(up: Up, directory: Path) -> None:
    second = subprocess.run(
        [QUEUECTL, "up", "--data-directory", str(directory)], capture_output=True, text=True, timeout=30
    )
    assert second.returncode == 1
    assert f"process {up.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_another_terminal_reaches_it_through_the_environment_file(up: Up, directory: Path) -> None:
    command = f'. "{directory}/environment" && "{QUEUECTL}" status --json'
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=30)
    assert answer.returncode == 0, answer.stderr
    assert "survey_processor" in answer.stdout


def test_a_killed_worker_is_started_again(up: Up) -> None:
    killed = up.pid_of("--queues=flows")
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    up.wait_for("worker ended with code -9 and was started again")
    until(lambda: up.pid_of("--queues=flows") not in (None, killed))


@pytest.mark.parametrize(
    ("settings", "exit_code", "message"),
    [
        ({"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/rpa_db"}, 3, "127.0.0.1:1 cannot be used"),
        ({"DATABASE_URL": "mysql://somewhere"}, 1, "DATABASE_URL must begin with postgresql://"),
        (
            {"CELERY_BROKER_URL": "redis://:secret@127.0.0.1:1/0"},
            1,
            "the broker at 127.0.0.1:1 does not answer",
        ),
        ({"ENVIRONMENT": "PRODUCTION"}, 1, "embedded servers are for development only"),
    ],
)
def test_wrong_settings_get_one_message_and_leave_nothing_running(
    settings: dict[str, str], exit_code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in FOREIGN:  # both, so that whatever `up` sets is taken back
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    before = psutil.Process().children()
    with reachable_directory() as other_directory:
        answer = CliRunner().invoke(main, ["up", "--data-directory", str(other_directory)], env=settings)
    assert answer.exit_code == exit_code
    assert message in answer.stderr
    assert "secret" not in answer.output
    assert psutil.Process().children() == before


def test_ctrl_c_stops_every_process(up: Up) -> None:
    family = up.family()
    assert len(family) > 6
    assert up.end(signal.SIGINT) == 0
    assert left_of(family) == []
    assert "was killed" not in up.output
    assert "Traceback" not in up.output


def test_a_killed_supervisor_takes_everything_along_and_once_runs_on_its_data(
    up: Up, directory: Path
) -> None:
    if up.process.poll() is None:
        up.end(signal.SIGINT)
    victim = Up(directory)
    until(lambda: len(victim.family()) > 6)
    family = victim.family()
    assert victim.end(signal.SIGKILL) == -signal.SIGKILL
    assert left_of(family) == []

    again = Up(directory, "--once")
    assert again.process.wait(90) == 0, again.output
    assert "Every record reached its expected end." in again.output
