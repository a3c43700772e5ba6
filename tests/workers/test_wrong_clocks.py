"""Workers follow hints and fan-outs even if the sender's clock is behind. Within a minute, a finding names each host
whose clock is wrong."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis

from queue_store.alerting.findings import Finding
from queue_store.settings import ProcessorSettings
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tests.chaos.clock import SHIM, Clock
from tests.workers.conftest import Queue
from tests.workers.processes import REGISTERED, running_worker, wait_until
from tests.workers.test_malformed_messages import message


def expired(task: str, body: object) -> str:
    """A message from a beat whose clock is 90 s behind the clock of the worker's host."""
    sent_at = datetime.now(UTC) - timedelta(seconds=90)
    return message(body, {"task": task, "expires": (sent_at + timedelta(seconds=5)).isoformat()})


@pytest.mark.parametrize("start", ["a hint", "fan_out"])
def test_messages_of_a_host_whose_clock_is_behind_are_followed(
    start: str, queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    nothing = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    settings = {"IDLE_POLL_SECONDS": "600"}  # only a message starts a run
    with running_worker(settings_environment, log, queues="flows,control", concurrency=1, settings=settings):
        wait_until(lambda: queue.value(REGISTERED) == 1, "its registration", log)
        queue.insert("quick", 5)
        if start == "a hint":
            redis_client.lpush("flows", expired("processing_queue.claim_batch", None))
        else:
            redis_client.lpush("control", expired("processing_queue.fan_out", [[], {}, nothing]))
        wait_until(lambda: queue.counts() == {"completed": 5}, "the records", log)
    assert "Discarding" not in log.read_text()


def test_a_record_to_enqueue_expires_as_its_sender_said(
    queue: Queue, settings_environment: dict[str, str], redis_client: redis.Redis, log: Path
) -> None:
    settings = {"ENQUEUE_BY_MESSAGE": "quick"}
    with running_worker(settings_environment, log, queues="control", concurrency=1, settings=settings):
        wait_until(lambda: queue.value("SELECT count(*) FROM worker_processes") == 1, "its registration", log)
        body = [["quick", {}], {"dedup_key": "late"}, {}]
        late = json.loads(expired("processing_queue.enqueue", body))
        redis_client.lpush("control", json.dumps(late))
        wait_until(lambda: "Discarding" in log.read_text(), "the message to be discarded", log)
    assert queue.counts() == {}


@pytest.mark.long
def test_a_host_whose_clock_is_wrong_is_named(
    queue: Queue, settings_environment: dict[str, str], tmp_path: Path, log: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    environment = settings_environment | {"PYTHONPATH": str(SHIM), "CHAOS_CLOCK": str(clock.path)}
    measured = "SELECT count(*) FROM worker_processes WHERE clock_skew_seconds IS NOT NULL"
    with running_worker(environment, log, concurrency=1):
        wait_until(lambda: queue.value(measured) == 1, "a look at the clock", log)
        assert found(queue) == []
        clock.step(90)
        wait_until(lambda: found(queue) != [], "the finding", log, timeout_seconds=40)
    (finding,) = found(queue)
    ahead = re.search(rf"{re.escape(os.uname().nodename)} (\d+) s ahead\.", finding.message)
    assert ahead is not None, finding
    assert 80 < int(ahead[1]) < 100  # a busy host answers late, and so measures a little less or more


def found(queue: Queue) -> list[Finding]:
    return judge(take_snapshot(queue.database, ProcessorSettings()), ["wrong_clock"])
