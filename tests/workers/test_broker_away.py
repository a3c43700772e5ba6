"""Without the broker work goes on, as fast, and after its return nothing is doubled and nothing waits."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.embedded.redis import EmbeddedRedis
from tests.servers import reachable_directory
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

AWAY_SECONDS = float(os.environ.get("BROKER_AWAY_SECONDS", "20"))  # 600: `make test-broker-away`

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180 + 2 * AWAY_SECONDS)]


@pytest.fixture
def broker() -> Iterator[EmbeddedRedis]:
    """A Redis of this test's own, which it may stop."""
    with reachable_directory() as directory:
        server = EmbeddedRedis(directory)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def environment(settings_environment: dict[str, str], broker: EmbeddedRedis) -> dict[str, str]:
    return settings_environment | {"CELERY_BROKER_URL": broker.url()}


def test_children_that_die_while_the_broker_is_away_are_replaced_and_their_records_come_back(
    queue: Queue, environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    with running_worker(environment, log, settings={"IDLE_POLL_SECONDS": "0.3"}) as worker:
        broker.stop()
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), "the loss of the broker", log)
        queue.insert("sleepy", 5, '{"seconds": 60}')
        wait_until(lambda: queue.counts().get("processing") == 5, "a batch in hand", log)
        queue.rows("UPDATE processing_queue SET payload = '{\"seconds\": 0}' RETURNING id")
        killed = set(worker.children())
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        seconds = wait_until(lambda: queue.counts() == {"completed": 5}, "all records", log)
        assert seconds < 20
        assert not killed & set(worker.children())
        assert "Connected to redis" not in log.read_text().partition("Cannot connect to redis")[2]
    assert queue.value("SELECT max(retry_count) FROM processing_queue") == 0


def test_work_goes_on_without_broker_and_beat(
    queue: Queue, environment: dict[str, str], broker: EmbeddedRedis, log: Path
) -> None:
    """At half the throughput at least, for as long as it lasts; BROKER_AWAY_SECONDS says how long that is."""
    with running_worker(environment, log, settings={"TIME_SLICE_SECONDS": "1"}) as worker:
        with_broker = rate(queue, 5.0, log)
        broker.stop()
        wait_until(lambda: "Cannot connect to redis" in log.read_text(), "the loss of the broker", log)
        without = rate(queue, AWAY_SECONDS, log)
        broker.start()
        queue.insert("quick", 1)
        returned = wait_until(lambda: set(queue.counts()) == {"completed"}, "the first record after it", log)
        wait_until(lambda: log.read_text().count("Connected to redis") >= 2, "the broker again", log, 60)
        assert worker.popen.poll() is None
    assert without >= 0.5 * with_broker, f"{without:.0f} records/s of {with_broker:.0f}"
    assert returned <= 10
    assert queue.rows(
        "SELECT max(retry_count), max(crash_strikes), max(claim_number) FROM processing_queue"
    ) == [(0, 0, 1)]


def rate(queue: Queue, seconds: float, log: Path) -> float:
    """Records per second while there is always work."""
    completed = "SELECT count(*) FROM processing_queue WHERE status = 'completed'"
    pending = "SELECT count(*) FROM (SELECT FROM processing_queue WHERE status = 'pending' LIMIT 5000) due"
    before = queue.value(completed)
    queue.insert("quick", 10_000)
    wait_until(lambda: queue.value(completed) > before, "a start", log)
    began, first = time.monotonic(), queue.value(completed)
    while time.monotonic() - began < seconds:
        if queue.value(pending) < 5_000:
            queue.insert("quick", 10_000)
        time.sleep(0.2)
    per_second = (queue.value(completed) - first) / (time.monotonic() - began)
    wait_until(lambda: set(queue.counts()) == {"completed"}, "the rest", log, 60)
    return float(per_second)
