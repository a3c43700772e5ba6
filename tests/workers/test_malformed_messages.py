"""Work goes on, whatever messages the broker holds. Bad messages are quarantined, and a finding reports them."""

import base64
import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.celery_hardening.quarantine import KEPT_LISTS, news, quarantine_queues
from tasks.celery_hardening.start_guard import ABNORMAL_ENDS, StartGuard
from tasks.monitoring.broker import BrokerReading
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tests.workers.conftest import Queue
from tests.workers.processes import WORKER_OPTIONS, CeleryProcess, running_worker, wait_until, with_prefix

Message = dict[str, Any]


def message(body: Any = None, headers: Message | None = None, properties: Message | None = None) -> str:
    """A hint for the flow `quick`, as Celery writes it. Each argument replaces a part of the hint."""
    empty = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    text = json.dumps([["quick"], {"slot": 0}, empty] if body is None else body)
    return json.dumps({
        "body": base64.b64encode(text.encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "processing_queue.claim_batch", "id": "a-1", "root_id": "a-1",
            "parent_id": None, "group": None, "retries": 0, "timelimit": [None, None],
            "argsrepr": "quick", "kwargsrepr": "{}", "eta": None, "expires": None} | (headers or {}),
        "properties": {"correlation_id": "a-1", "delivery_mode": 2, "delivery_info": {"exchange": "",
            "routing_key": "flows"}, "priority": 0, "body_encoding": "base64", "delivery_tag": "t-1"}
            | (properties or {}),
    })  # fmt: skip


def hint(flow_name: str) -> str:
    return message([[flow_name], {"slot": 0}, dict.fromkeys(("callbacks", "errbacks", "chain", "chord"))])


def without_headers(body: Any) -> str:
    changed = json.loads(message(body))
    changed["headers"] = {}
    return json.dumps(changed)


MALFORMED: dict[str, str | bytes] = {
    "a scalar as body": without_headers(5),
    "null as body": without_headers(None),
    "a scalar body under good headers": message(5),
    "time limits of strings": message(headers={"timelimit": ["soon", "later"]}),
    "a time limit that is a number": message(headers={"timelimit": 5}),
    "an object as id": message(headers={"id": {"a": 1}}),
    "a list as id": message(headers={"id": ["a"]}),
    "an object as task": message(headers={"task": {"a": 1}}),
    "a task that does not exist": message(headers={"task": "no.such.task"}),
    "an eta that is none": message(headers={"eta": "tomorrow"}),
    "an object as eta": message(headers={"eta": {"a": 1}}),
    "an expiry that is a list": message(headers={"expires": [1]}),
    "retries of text": message(headers={"retries": "many"}),
    "no JSON at all": "this is not JSON",
    "a JSON scalar": "5",
    "an empty object": "{}",
    "properties that are null": json.dumps(json.loads(message()) | {"properties": None}),
    "headers that are a number": json.dumps(json.loads(message()) | {"headers": 5}),
    "a body that is no base64": json.dumps(json.loads(message()) | {"body": "???"}),
    "an unknown content type": json.dumps(json.loads(message()) | {"content-type": "application/x-python"}),
    "nesting without end": "[" * 50_000,
    "bytes that are no text": b"\xff\xfe\x00",
    "stamped headers that are a number": message(headers={"stamped_headers": 5}),
    "stamps that are a number": message(headers={"stamps": 5}),
    "stamped headers that are no names": message(headers={"stamped_headers": [5], "stamps": {"5": 5}}),
    "a delivery tag that is null": message(properties={"delivery_tag": None}),
    "a delivery tag that is a list": message(properties={"delivery_tag": ["t"]}),
    "no delivery tag": json.dumps(
        json.loads(message()) | {"properties": {"delivery_info": {}, "body_encoding": "base64"}}
    ),
    "delivery information that is null": message(properties={"delivery_info": None}),
    "an unknown body encoding": message(properties={"body_encoding": "rot13"}),
}


@pytest.mark.long
def test_no_malformed_message_ends_the_worker(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    with running_worker(settings_environment, log, concurrency=1, settings=settings) as worker:
        for what, text in MALFORMED.items():
            redis_client.lpush("flows", text)
            wait_until(lambda: not redis_client.llen("flows"), f"{what} to be taken", log)
            queue.insert("quick", 1)
            wait_until(lambda: set(queue.counts()) == {"completed"}, f"a record after {what}", log)
            assert worker.popen.poll() is None, f"{what} ended the worker:\n{log.read_text()[-3000:]}"
    assert {note.why for note in news(redis_client)} >= {
        "reading it raised TypeError",
        "reading it raised JSONDecodeError",
    }


@pytest.mark.long
def test_a_list_that_ends_every_worker_is_quarantined_and_work_goes_on_within_a_minute(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    settings = {"FLOW_MODULES": "tests.workers.flows_with_a_trap", "IDLE_POLL_SECONDS": "0.5"}
    redis_client.lpush("flows", message(headers={"argsrepr": "trap"}))
    started = time.monotonic()
    environment = settings_environment | with_prefix(settings)
    for _ in range(ABNORMAL_ENDS):
        process = CeleryProcess(["worker", "-Q", "flows", "-c1", *WORKER_OPTIONS], environment, log)
        assert process.popen.wait(30) == 1
    queue.insert("quick", 10)
    with running_worker(settings_environment, log, concurrency=1, settings=settings):
        wait_until(lambda: queue.counts() == {"completed": 10}, "all records", log)
    assert time.monotonic() - started < 60
    assert queue.counts() == {"completed": 10}
    assert len(redis_client.keys("flows.quarantined.*")) == 1
    assert "ended 3 times" in news(redis_client)[0].why


def starts(redis_url: str, node: str, count: int) -> list[StartGuard]:
    begun = [StartGuard(redis_url, node, f"{node} {number}") for number in range(count)]
    for start in begun:
        start.begin(["flows"])
    return begun


def test_starts_of_other_workers_and_ends_in_order_are_no_alarm(
    redis_url: str, redis_client: redis.Redis
) -> None:
    redis_client.lpush("flows", message())
    for node in "abcdefgh":
        starts(redis_url, node, ABNORMAL_ENDS)
    for start in starts(redis_url, "deployed", ABNORMAL_ENDS):
        start.end()
    starts(redis_url, "deployed", 1)
    assert redis_client.llen("flows") == 1
    starts(redis_url, "a", 1)
    assert redis_client.llen("flows") == 0


def test_a_broker_whose_name_is_looked_up_for_ever_does_not_keep_a_worker_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tasks.celery_hardening.start_guard.END_SECONDS", 0.1)
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answered.wait() and [])
    start = StartGuard("redis://broker.example:6379/0", "a", "a worker")
    ending = threading.Thread(target=start.end)
    ending.start()
    ending.join(30)
    still_ends = ending.is_alive()
    answered.set()
    assert not still_ends


def test_the_quarantine_is_kept_for_a_while_in_a_bounded_number(redis_client: redis.Redis) -> None:
    for _ in range(2 * KEPT_LISTS):
        redis_client.lpush("flows", message())
        redis_client.lpush("flows\x06\x169", message())
        assert quarantine_queues(redis_client, ["flows", "empty"], "a test") == 2
    kept = redis_client.keys("flows*.quarantined.*")
    assert len(kept) == KEPT_LISTS
    assert all(redis_client.ttl(key) > 0 for key in kept)


def test_quarantined_messages_are_a_finding(redis_client: redis.Redis, database: DatabaseManager) -> None:
    redis_client.lpush("flows", message(), message())
    quarantine_queues(redis_client, ["flows"], "a test")
    broker = BrokerReading(is_reachable=True, quarantine_notes=news(redis_client))
    [finding] = judge(replace(take_snapshot(database, ProcessorSettings()), broker=broker))
    assert (finding.code, finding.level, finding.figure) == ("messages_quarantined", "warning", 2)
