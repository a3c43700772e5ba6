"""Rules about the database and its connections."""

from collections.abc import Iterator

from queue_store.alerting.findings import Finding
from queue_store.readings.server import LONG_IDLE_SECONDS

from ..connection_holders import named
from ..snapshot import Snapshot
from .register import rule

HELD_SNAPSHOT_SECONDS = {"warning": 300.0, "critical": 3_600.0}
IDLE_IN_TRANSACTION = 5


@rule("response_time")
def response_time(snapshot: Snapshot) -> Iterator[Finding]:
    milliseconds = snapshot.response_time_ms
    judged = snapshot.settings.alert_thresholds.judge("response_time", milliseconds)
    if judged:
        yield Finding(
            code="response_time",
            level=judged[0],
            message=f"The database answered after {milliseconds:.0f} ms, more than {judged[1]:g} ms.",
            next_step="look at the server's load and at the longest transaction: queuectl check --database",
            figure=milliseconds,
            threshold=judged[1],
        )


@rule("pool_utilization")
def pool_utilization(snapshot: Snapshot) -> Iterator[Finding]:
    percent = snapshot.fleet.pool_utilization_percent
    judged = (
        snapshot.settings.alert_thresholds.judge("pool_utilization", percent) if percent is not None else None
    )
    if judged:
        yield Finding(
            code="pool_utilization",
            level=judged[0],
            message=f"The worker processes use {snapshot.fleet.pool_in_use} of {snapshot.fleet.pool_capacity} "
            f"connections ({percent:g} %), more than {judged[1]:g} %.",
            next_step="check the server's max_connections, then raise POOL_SIZE and MAX_OVERFLOW of the database",
            figure=percent,
            threshold=judged[1],
        )


@rule("server_connections")
def connections(snapshot: Snapshot) -> Iterator[Finding]:
    server = snapshot.server
    judged = snapshot.settings.alert_thresholds.judge("pool_utilization", server.connections_percent)
    if judged:
        yield Finding(
            code="server_connections",
            level=judged[0],
            message=f"The server has {server.connection_count} of {server.connection_limit} connections open "
            f"({server.connections_percent:g} %), more than {judged[1]:g} %. Held by: {named(server.holders)}.",
            next_step="close connections that nobody needs, put a pooler in front, or raise max_connections",
            figure=server.connections_percent,
            threshold=judged[1],
        )


@rule("database_takes_no_writes")
def takes_no_writes(snapshot: Snapshot) -> Iterator[Finding]:
    """Without writes, there are no claims and no heartbeats, so most other findings have the same cause."""
    if snapshot.server.takes_no_writes:
        kind = (
            "a standby" if snapshot.server.is_replica else "set to read-only, often because its disk is full"
        )
        yield Finding(
            code="database_takes_no_writes",
            level="emergency",
            message=f"The database server takes no writes: it is {kind}.",
            next_step="point the URL to the primary, or free this server's disk and make it writable again; see "
            "docs/runbook.md, The database takes no writes",
        )


@rule("idle_in_transaction")
def idle_in_transaction(snapshot: Snapshot) -> Iterator[Finding]:
    count = sum(c.long_idle_count for c in snapshot.server.connections)
    if count > IDLE_IN_TRANSACTION:
        yield Finding(
            code="idle_in_transaction",
            level="warning",
            message=f"{count} connections have been idle in a transaction for more than {LONG_IDLE_SECONDS:g} s. "
            f"The limit is {IDLE_IN_TRANSACTION}.",
            next_step="find the application that does not commit: queuectl check --database",
            figure=count,
            threshold=IDLE_IN_TRANSACTION,
        )


@rule("held_snapshot")
def held_snapshot(snapshot: Snapshot) -> Iterator[Finding]:
    """A long transaction anywhere in the database prevents vacuum from cleaning the tables of the queue."""
    longest = snapshot.server.longest_transaction
    if longest is None:
        return
    for level in ("critical", "warning"):
        if longest.seconds > HELD_SNAPSHOT_SECONDS[level]:
            yield Finding(
                code="held_snapshot",
                level=level,
                message=f"A transaction has been open for {longest.seconds / 60:.0f} minutes: pid {longest.pid}, "
                f"{longest.application_name or 'no name'}, {longest.user_name}, {longest.state}.",
                next_step=f"ask its owner, or end it: SELECT pg_terminate_backend({longest.pid})",
                figure=longest.seconds,
                threshold=HELD_SNAPSHOT_SECONDS[level],
            )
            return
