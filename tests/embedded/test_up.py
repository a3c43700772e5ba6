"""`queuectl up` starts everything from nothing, the sample ends as expected, and no process is left."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.support.servers import reachable_directory
from tests.support.up_process import FOREIGN, QUEUECTL, Up, left_of, until

pytestmark = pytest.mark.long


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
    for shown in (
        r"952 of 952 records ended in [\d.]+ s, including the waits before retries.",
        r"Without these waits: [1-9]\d* completed a second.",
        "Records that failed because they are wrong on purpose: 8.",
        r"completed +│ +944 ",
        r"failed +│ +8 ",
        r"│ 6 +│ 2 +│ RegistryUnreachableError: the registry did not answer",
        "self_lr is 9, but the scale is 1 to 7",
        r"Queue health: 0 waiting, 3 worker processes alive, success rate of the last hour 99\.\d+ %",
        r"http://127.0.0.1:\d+/queue",
        re.escape(str(directory / "logs")),
        r"What to try next, in another terminal:\n(?s:.*)\n  queuectl status\n  queuectl failures\n",
    ):
        assert re.search(shown, up.output), f"{shown} in\n{up.output}"


def test_a_second_one_on_the_same_data_is_refused_by_name(up: Up, directory: Path) -> None:
    second = subprocess.run(
        [QUEUECTL, "up", "--data-directory", str(directory)], capture_output=True, text=True, timeout=90
    )
    assert second.returncode == 1
    assert f"process {up.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_another_terminal_reaches_it_through_the_environment_file(up: Up, directory: Path) -> None:
    command = f'. "{directory}/environment" && "{QUEUECTL}" status --json'
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=90)
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
    for name in FOREIGN:  # with these two calls, pytest will undo what `up` sets
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
