"""Rules about the database and its connections."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.server import LONG_IDLE_SECONDS

from ..snapshot import Snapshot

HELD_SNAPSHOT_SECONDS = {"warning": 300.0, "critical": 3_600.0}
IDLE_IN_TRANSACTION = 5


def response_time(snapshot: Snapshot) -> Iterator[Finding]:
    yield from slow_response(snapshot.response_time_ms, snapshot)


def slow_response(milliseconds: float, snapshot: Snapshot) -> Iterator[Finding]:
    judged = snapshot.settings.alert_thresholds.judge("response_time", milliseconds)
    if judged:
        yield Finding(
            "response_time",
            judged[0],
            f"The database answered after {milliseconds:.0f} ms, more than {judged[1]:g} ms.",
            "look at the server's load and at the longest transaction: queuectl check --database",
            None,
            milliseconds,
            judged[1],
        )


def pool_utilization(snapshot: Snapshot) -> Iterator[Finding]:
    percent = snapshot.fleet.pool_utilization_percent
    judged = (
        snapshot.settings.alert_thresholds.judge("pool_utilization", percent) if percent is not None else None
    )
    if judged:
        yield Finding(
            "pool_utilization",
            judged[0],
            f"The worker processes use {snapshot.fleet.pool_in_use} of {snapshot.fleet.pool_capacity} connections "
            f"({percent:g} %), more than {judged[1]:g} %.",
            "raise POOL_SIZE and MAX_OVERFLOW of the database, after a look at its max_connections",
            None,
            percent,
            judged[1],
        )


def connections(snapshot: Snapshot) -> Iterator[Finding]:
    """What the server may take, beside what the pools may open."""
    server = snapshot.server
    judged = snapshot.settings.alert_thresholds.judge("pool_utilization", server.connections_percent)
    if judged:
        yield Finding(
            "server_connections",
            judged[0],
            f"The server has {server.connection_count} of {server.connection_limit} connections open "
            f"({server.connections_percent:g} %), more than {judged[1]:g} %.",
            "close what is not needed, put a pooler in front, or raise max_connections",
            None,
            server.connections_percent,
            judged[1],
        )


def idle_in_transaction(snapshot: Snapshot) -> Iterator[Finding]:
    count = sum(c.long_idle_count for c in snapshot.server.connections)
    if count > IDLE_IN_TRANSACTION:
        yield Finding(
            "idle_in_transaction",
            "warning",
            f"{count} connections are idle in a transaction for more than {LONG_IDLE_SECONDS:g} s, more than "
            f"{IDLE_IN_TRANSACTION}.",
            "find the application that does not commit: queuectl check --database",
            None,
            count,
            IDLE_IN_TRANSACTION,
        )


def held_snapshot(snapshot: Snapshot) -> Iterator[Finding]:
    """A long transaction anywhere in the database keeps vacuum from cleaning the queue."""
    longest = snapshot.server.longest_transaction
    if longest is None:
        return
    for level in ("critical", "warning"):
        if longest.seconds > HELD_SNAPSHOT_SECONDS[level]:
            yield Finding(
                "held_snapshot",
                level,
                f"A transaction is open for {longest.seconds / 60:.0f} minutes: pid {longest.pid}, "
                f"{longest.application_name or 'no name'}, {longest.user_name}, {longest.state}.",
                f"ask its owner, or end it: SELECT pg_terminate_backend({longest.pid})",
                None,
                longest.seconds,
                HELD_SNAPSHOT_SECONDS[level],
            )
            return
