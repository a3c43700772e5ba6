"""With several beats, nothing is done twice, and the schedule goes on if any beat is killed or frozen."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager

ROOT = Path(__file__).parents[2]
GOES_ON_WITHIN_SECONDS = 10.0
FINISHED = "SELECT count(*) FROM schedule_occurrences WHERE state = 'finished'"
LEADER = (
    "SELECT b.pid FROM beat_leader l JOIN beats b USING (beat_id) WHERE l.leads_until > clock_timestamp()"
)

pytestmark = [pytest.mark.long, pytest.mark.alone]


@contextmanager
def celery(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", "-A", "tests.support.accelerated_schedule", *arguments]
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
    wait_until(lambda: not value(database, FINISHED.replace("finished", "running")), 30)
    assert value(database, "SELECT count(*) FROM audit_log WHERE action = 'tick'") == value(
        database, FINISHED
    )
    assert value(database, "SELECT max(take_number) FROM schedule_occurrences") == 1


TRACES = """
SELECT o.entry, count(*), (SELECT count(*) FROM audit_log a WHERE a.action = 'tick' AND a.target = o.entry)
FROM schedule_occurrences o WHERE o.state = 'finished' GROUP BY o.entry ORDER BY o.entry
"""
LONGEST_GAP = """
SELECT extract(epoch FROM max(gap))::float8
FROM (SELECT finished_at - lag(finished_at) OVER (ORDER BY finished_at) AS gap
    FROM schedule_occurrences WHERE state = 'finished' AND entry = 'every_minute') gaps
"""
SPAN = "SELECT max(due_at) - min(due_at) FROM schedule_occurrences WHERE entry = 'every_minute'"
STORY = """
SELECT jsonb_agg(to_jsonb(o) - 'excused_count' ORDER BY o.due_at)
FROM (SELECT * FROM schedule_occurrences ORDER BY due_at DESC LIMIT 6) o
"""
BEATS = "SELECT count(*) FROM beats WHERE heartbeat_at > now() - interval '3 seconds'"


@pytest.mark.timeout(300)
def test_two_beats_keep_every_time_of_the_clock_once_while_each_is_killed_and_frozen(
    database: DatabaseManager, settings_environment: dict[str, str]
) -> None:
    """At least ten minutes of accelerated time pass, at a second per minute."""
    environment = {**settings_environment, "ACCELERATED_FROM": str(time.time())}
    with ExitStack() as stack:
        worker = ("worker", "--pool=solo", "-Q", "control", "--without-mingle", "--without-gossip")
        stack.enter_context(celery(environment, *worker))
        beats = {beat.pid: beat for beat in (stack.enter_context(celery(environment, "beat")) for _ in "ab")}
        wait_until(lambda: value(database, BEATS) == 2 and value(database, FINISHED) >= 3, 120)

        def replace(gone: int) -> None:
            beats.pop(gone)
            new = stack.enter_context(celery(environment, "beat"))
            beats[new.pid] = new
            wait_until(lambda: value(database, f"{BEATS} AND pid = {new.pid}") == 1, 60)

        def other_than(leader: int) -> int:
            (other,) = set(beats) - {leader}
            return other

        for hit in ("leader", "follower", "leader"):
            sys.stderr.write(f"now the {hit}: {value(database, STORY)}\n")  # shown if the test fails
            leader = value(database, LEADER)
            target = leader if hit == "leader" else other_than(leader)
            os.kill(target, signal.SIGSTOP)
            goes_on(database)
            os.kill(target, signal.SIGCONT)
            goes_on(database)
            leader = wait_until_leads(database)
            target = leader if hit == "leader" else other_than(leader)
            os.kill(target, signal.SIGKILL)
            goes_on(database)
            replace(target)
    wait_until(lambda: not value(database, FINISHED.replace("finished", "running")), 30)
    with database.transaction() as cursor:
        traces = cursor.execute(TRACES.encode()).fetchall()
    assert {entry for entry, _, _ in traces} >= {"every_minute", "every_five_minutes"}
    assert all(done == traced for _, done, traced in traces), traces
    assert value(database, "SELECT max(take_number) FROM schedule_occurrences") == 1
    assert value(database, SPAN) >= timedelta(minutes=10)
    assert value(database, LONGEST_GAP) <= GOES_ON_WITHIN_SECONDS


def wait_until_leads(database: DatabaseManager) -> int:
    wait_until(lambda: value(database, LEADER) is not None, GOES_ON_WITHIN_SECONDS)
    leader: int = value(database, LEADER)
    return leader
