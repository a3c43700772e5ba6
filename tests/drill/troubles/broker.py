"""Redis is unavailable, refuses writes or holds a malformed message, or no worker serves the control queue."""

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
    "somebody sends a message that Celery cannot read",
    "messages_quarantined",
    written="The alert lasts an hour. So the drill deletes the note about the quarantined message, which ends the "
    "alert.",
    is_quick=True,
)
def malformed(fleet: Fleet) -> Iterator[None]:
    fleet.client.lpush("flows", MALFORMED["a scalar as body"])
    yield
    fleet.client.delete("processing_queue:quarantine")


@trouble("Redis has become a replica and takes no writes", "broker_refuses", says="READONLY")
def replica(fleet: Fleet) -> Iterator[None]:
    fleet.client.replicaof("127.0.0.1", 1)
    yield
    fleet.client.replicaof("no", "one")


@trouble(
    "nobody serves the control queue",
    "control_queue",
    written="The alert allows a minute for a restart. So the drill backdates the end of the worker by 58 s, and the "
    "start of beat by 2 minutes.",
)
def control_unserved(fleet: Fleet) -> Iterator[None]:
    fleet.control.terminate()
    fleet.execute(
        "UPDATE worker_processes SET ended_at = ended_at - interval '58 seconds' WHERE state = 'ended'",
        "UPDATE beats SET started_at = started_at - interval '2 minutes'",
    )
    yield
    fleet.control = fleet.start_worker("control", 1)
