"""Without the broker work goes on, as fast, and after its return nothing is doubled and nothing waits."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.embedded.redis import EmbeddedRedis
from tests.servers import reachable_directory
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

pytestmark = pytest.mark.alone

AWAY_SECONDS = float(os.environ.get("BROKER_AWAY_SECONDS", "20"))


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
