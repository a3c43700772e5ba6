"""Redis is away, or somebody writes into it."""

import signal
from collections.abc import Iterator

from tests.drill.fleet import Fleet
from tests.drill.trouble import trouble
from tests.workers.test_malformed_messages import MALFORMED


@trouble("Redis is stopped", "broker_unreachable", is_quick=True)
def stopped(fleet: Fleet) -> Iterator[None]:
    fleet.servers.redis.stop()
    yield
    fleet.servers.redis.start()


@trouble("Redis hangs", "broker_unreachable")
def hangs(fleet: Fleet) -> Iterator[None]:
    fleet.servers.redis.process.send_signal(signal.SIGSTOP)
    yield
    fleet.servers.redis.process.send_signal(signal.SIGCONT)


@trouble(
    "somebody sends a message that Celery cannot bear",
    "messages_quarantined",
    written="The note is removed: it is news for an hour.",
    is_quick=True,
)
def malformed(fleet: Fleet) -> Iterator[None]:
    fleet.client.lpush("flows", MALFORMED["a scalar as body"])
    yield
    fleet.client.delete("processing_queue:quarantine")
