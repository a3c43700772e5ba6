"""An operator ends a handler that hangs. Its record is charged once, and the other records of its batch are given
back uncharged. A request for another record or another claim changes nothing."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.workers.conftest import Queue
from tests.workers.processes import IN_HAND, running_worker, wait_until

# No lease expires during a test, so only the request can end a handler.
SETTINGS = {"IDLE_POLL_SECONDS": "0.2", "LEASE_SECONDS": "60", "MAX_CRASH_STRIKES": "1", "MAX_RETRIES": "0"}
END_SECONDS = 10  # the time until the next heartbeat, even on a busy machine. `queuectl end` waits 15 s
FIVE = """
INSERT INTO processing_queue (flow_name, payload)
SELECT %(flow_name)s, jsonb_build_object('seconds', CASE n WHEN 3 THEN 600 ELSE 0 END) FROM generate_series(1, 5) n
RETURNING id
"""
CHARGES = "SELECT status, retry_count, crash_strikes, count(*) FROM processing_queue GROUP BY 1, 2, 3 ORDER BY 1 DESC"


def end(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    result = CliRunner().invoke(main, ["end", "--actor", "ops", "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)["records"]


@pytest.fixture(autouse=True)
def _on_the_test_database(settings_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
        monkeypatch.setenv(name, settings_environment[name])


def hang(queue: Queue, flow_name: str, log: Path) -> int:
    """Enqueues five records of one batch, and waits until the third one hangs. The other four are quick. Returns the id
    of the third record."""
    queue.rows(FIVE, flow_name=flow_name)
    hung = int(queue.value("SELECT id FROM processing_queue ORDER BY id OFFSET 2 LIMIT 1"))
    in_hand: Callable[[], bool] = lambda: queue.rows(IN_HAND) == [(hung,)]  # noqa: E731
    if flow_name == "holds_the_interpreter":  # its process no longer sends heartbeats
        in_hand = lambda: queue.counts().get("processing", 0) >= 3  # noqa: E731
    wait_until(in_hand, "the handler in hand", log)
    return hung


@pytest.mark.parametrize(
    ("flow_name", "charge"),
    [
        ("sleepy", ("failed", 1, 0, 1)),
        ("computes", ("failed", 1, 0, 1)),
        ("sleepy_async", ("failed", 1, 0, 1)),
        ("with_effect", ("failed", 1, 0, 1)),
        ("holds_the_interpreter", ("failed", 0, 1, 1)),
    ],
)
def test_its_record_alone_is_charged_and_its_process_replaced(
    flow_name: str,
    charge: tuple[Any, ...],
    queue: Queue,
    settings_environment: dict[str, str],
    log: Path,
) -> None:
    with running_worker(settings_environment, log, concurrency=1, settings=SETTINGS) as worker:
        first = worker.children()
        hung = hang(queue, flow_name, log)
        time.sleep(1)
        started = time.monotonic()
        code, (answer,) = end(str(hung), "--reason", "hangs")
        assert (code, answer["is_ended"]) == (0, True), (answer, log.read_text()[-3000:])
        assert time.monotonic() - started <= END_SECONDS
        wait_until(lambda: queue.counts() == {"completed": 4, "failed": 1}, "the end of all", log)
        wait_until(lambda: worker.children() not in ([], first), "another child", log)
    assert queue.rows(CHARGES) == [charge, ("completed", 0, 0, 4)]
    assert queue.rows("SELECT actor, details->>'reason' FROM audit_log WHERE action = 'end handler'") == [
        ("ops", "hangs")
    ]


@pytest.mark.long
@pytest.mark.parametrize("is_frozen", [False, True])
def test_those_that_run_next_to_it_are_given_back_uncharged(
    is_frozen: bool, queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """A running process reads the request and ends itself. A frozen process is killed by its worker's main
    process."""
    with running_worker(settings_environment, log, concurrency=1, settings=SETTINGS) as worker:
        queue.insert("sleepy_async", 3, '{"seconds": 600}')
        first, second, third = (row[0] for row in queue.rows("SELECT id FROM processing_queue ORDER BY id"))
        wait_until(lambda: queue.rows(IN_HAND) == [(first,)], "two handlers in hand", log)
        if is_frozen:
            os.kill(worker.children()[0], signal.SIGSTOP)
        code, (answer,) = end(str(first), "--claim", "1")
        assert (code, answer["is_ended"]) == (0, True), (answer, log.read_text()[-3000:])
        wait_until(lambda: queue.rows(IN_HAND) in ([(second,)], [(third,)]), "the others in hand", log)
    assert queue.rows(
        "SELECT id, retry_count, crash_strikes, batch_limit FROM processing_queue WHERE id <> %(first)s ORDER BY id",
        first=first,
    ) == [(second, 0, 0, None), (third, 0, 0, None)]
    charged = queue.rows(
        "SELECT status, retry_count + crash_strikes FROM processing_queue WHERE id = %(first)s", first=first
    )
    assert charged == [("failed", 1)]


@pytest.mark.long
def test_a_silent_process_is_left_alone_until_somebody_asks(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, settings=SETTINGS) as worker:
        hung = hang(queue, "sleepy", log)
        (child,) = worker.children()
        os.kill(child, signal.SIGSTOP)
        code, answers = end(str(hung), "--claim", "7")
        assert (code, answers[0]["text"]) == (1, "its claim number is 1 now, not 7")
        code, answers = end(str(hung + 1), "--wait", "4")  # a record of the same batch that has not begun
        assert (code, answers[0]["is_ended"]) == (1, False)
        assert worker.children() == [child]
        os.kill(child, signal.SIGCONT)
        asked = "SELECT count(*) FROM worker_processes WHERE end_record_id IS NOT NULL"
        wait_until(lambda: queue.value(asked) == 0, "the answer to the request", log)
        code, answers = end(str(hung))
        assert (code, answers[0]["is_ended"]) == (0, True), (answers, log.read_text()[-3000:])
