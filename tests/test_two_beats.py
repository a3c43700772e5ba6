"""Two beats: nothing is done twice, and killing or freezing the one that leads does not stop the schedule."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from queue_store.database_manager import DatabaseManager

ROOT = Path(__file__).parent.parent
GOES_ON_WITHIN_SECONDS = 10.0
FINISHED = "SELECT count(*) FROM schedule_occurrences WHERE state = 'finished'"
LEADER = (
    "SELECT b.pid FROM beat_leader l JOIN beats b USING (beat_id) WHERE l.leads_until > clock_timestamp()"
)

pytestmark = pytest.mark.long


@contextmanager
def celery(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "tests.accelerated_schedule", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def value(database: DatabaseManager, query: str) -> Any:
    with database.transaction() as cursor:
        row = cursor.execute(query.encode()).fetchone()
    return row and row[0]


def wait_until(condition: Callable[[], Any], within_seconds: float) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_seconds, "did not happen in time"
        time.sleep(0.05)
    return time.monotonic() - began


def goes_on(database: DatabaseManager) -> float:
    done = value(database, FINISHED)
    return wait_until(lambda: value(database, FINISHED) > done + 1, GOES_ON_WITHIN_SECONDS)


@pytest.mark.timeout(240)
def test_the_schedule_goes_on_when_the_leading_beat_is_killed_or_frozen(
    database: DatabaseManager, settings_environment: dict[str, str]
) -> None:
    with ExitStack() as stack:
        worker = ("worker", "--pool=solo", "-Q", "control", "--without-mingle", "--without-gossip")
        stack.enter_context(celery(settings_environment, *worker))
        beats = [stack.enter_context(celery(settings_environment, "beat")) for _ in range(3)]
        wait_until(lambda: value(database, FINISHED) >= 6, 120)

        killed = value(database, LEADER)
        os.kill(killed, signal.SIGKILL)
        goes_on(database)
        assert value(database, LEADER) != killed

        frozen = value(database, LEADER)
        os.kill(frozen, signal.SIGSTOP)
        goes_on(database)
        assert value(database, LEADER) not in (killed, frozen)
        os.kill(frozen, signal.SIGCONT)
        goes_on(database)
        assert {killed, frozen} < {beat.pid for beat in beats}
    wait_until(lambda: not value(database, FINISHED.replace("finished", "running")), 5)
    assert value(database, "SELECT count(*) FROM audit_log WHERE action = 'tick'") == value(
        database, FINISHED
    )
    assert value(database, "SELECT max(take_number) FROM schedule_occurrences") == 1
