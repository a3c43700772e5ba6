"""Three queues share a database and a broker: one in `public`, and two in their own schemas. The processes of each
queue do only the work of that queue."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import redis
from celery import Celery

from queue_store.enqueueing import enqueue, send_hints
from queue_store.enqueueing.hints import CeleryHintSender
from tests.own_schema.conftest import Queues
from tests.support.schemas import in_schema
from tests.workers.processes import REGISTERED, START_OPTIONS, CeleryProcess, running_worker, wait_until

ROOT = Path(__file__).parents[2]
NAMES = ("public", "a", "b")
COUNT = 30
OPTIONS = {"flows": "tests.own_schema.flows", "settings": {"IDLE_POLL_SECONDS": "0.3"}, "concurrency": 1}
EFFECTS = "SELECT queue_of_record, queue_of_worker, count(*)::int FROM effects GROUP BY 1, 2 ORDER BY 1, 2"


def queuectl(queues: Queues, queue: str, *arguments: str, exit_code: int = 0) -> str:
    answer = subprocess.run(
        [Path(sys.executable).with_name("queuectl"), *arguments],
        cwd=ROOT, env=queues.environments[queue], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert answer.returncode == exit_code, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def counts(queues: Queues, queue: str) -> dict[str, Any]:
    return json.loads(queuectl(queues, queue, "status", "--json"))["total"]


def start(queues: Queues, names: Sequence[str], stack: ExitStack, log: Path) -> dict[str, CeleryProcess]:
    return {
        name: stack.enter_context(
            running_worker(
                queues.environments[name],
                log.with_suffix(f".{name}"),
                queues="flows,slow",
                options=(f"--hostname={name}@%h", *START_OPTIONS),
                **OPTIONS,
            )
        )
        for name in names
    }


def test_each_record_is_done_by_the_workers_of_its_own_queue(queues: Queues, log: Path) -> None:
    with ExitStack() as stack:
        start(queues, NAMES, stack, log)
        for name in NAMES:
            queues.insert(name, "mark", COUNT)
            queues.insert(name, "mark_slowly", 2)
        queues.insert("b", "never")
        for name in NAMES:
            done = {"completed": COUNT + 2} | ({"failed": 1} if name == "b" else {})
            wait_until(lambda: queues.counts(name) == done, name, log.with_suffix(f".{name}"))  # noqa: B023
    assert queues.rows(EFFECTS) == [(name, name, COUNT + 2) for name in sorted(NAMES)]
    found = [counts(queues, name) for name in NAMES]
    assert [(c["completed"], c["failed"]) for c in found] == [(COUNT + 2, 0), (COUNT + 2, 0), (COUNT + 2, 1)]
    served = {
        name: queues.rows("SELECT DISTINCT celery_queues FROM worker_processes", name) for name in NAMES
    }
    assert served == {
        "public": [(["flows", "slow"],)],
        "a": [(["a.flows", "a.slow"],)],
        "b": [(["b.flows", "b.slow"],)],
    }
    # A handler sees the application's own search_path, because our sessions do not set it.
    with psycopg.connect(queues.url) as theirs:
        expected = theirs.execute("SHOW search_path").fetchall()
    assert queues.rows("SELECT DISTINCT search_path FROM effects") == expected


def test_a_hint_wakes_the_workers_of_its_own_queue(
    queues: Queues, redis_client: redis.Redis, redis_url: str, log: Path
) -> None:
    """No worker polls during the test."""
    app = Celery("shop", broker=redis_url)
    with ExitStack() as stack:
        for name in NAMES:
            queues.environments[name]["DEVELOPMENT_DISTRIBUTED_PROCESSOR_IDLE_POLL_SECONDS"] = "3600"
        start_options = {**OPTIONS, "settings": {"IDLE_POLL_SECONDS": "3600"}}
        workers = {
            name: stack.enter_context(
                running_worker(
                    queues.environments[name], log.with_suffix(f".{name}"), **start_options,
                    options=(f"--hostname={name}@%h", *START_OPTIONS),
                )
            )
            for name in ("public", "b")
        }  # fmt: skip
        queuectl(queues, "a", "register")
        for name, worker in workers.items():
            wait_until(lambda: queues.rows(REGISTERED, name) == [(1,)], "its registration", worker.log)  # noqa: B023
        with in_schema("a"), queues.database.engine.begin() as connection:
            enqueued = enqueue(connection, "mark", {"queue": "a"})
        with in_schema("a"):
            send_hints(CeleryHintSender(app), enqueued)
        assert redis_client.exists("processing_queue:a:hint:mark:0")
        assert redis_client.llen("a.flows") == 1
        with in_schema("b"), queues.database.engine.begin() as connection:
            enqueued = enqueue(connection, "mark", {"queue": "b"})
        with in_schema("b"):
            send_hints(CeleryHintSender(app), enqueued)
        wait_until(lambda: queues.counts("b") == {"completed": 1}, "b", workers["b"].log)
        assert queues.counts("a") == {"pending": 1}
        assert redis_client.llen("a.flows") == 1
        stack.enter_context(running_worker(queues.environments["a"], log.with_suffix(".a"), **start_options))
        wait_until(lambda: queues.counts("a") == {"completed": 1}, "a", log.with_suffix(".a"))
    assert queues.rows(EFFECTS) == [("a", "a", 1), ("b", "b", 1)]
