import sys
import time
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural, word

from .frame import (
    BoundedNumber,
    actor_option,
    json_option,
    processor,
    reason_option,
    say,
    write_json,
)

if TYPE_CHECKING:
    from queue_store.distributed_processor import DistributedProcessor
    from queue_store.readings.unfinished import UnfinishedCounts

LOOK_SECONDS = 0.5
SAY_SECONDS = 5.0
NOT_EMPTY = 4


@click.command()
@click.argument("flow_name", metavar="FLOW")
@click.option(
    "--timeout",
    "timeout_seconds",
    type=BoundedNumber(0, 24 * 3600),
    default=600.0,
    show_default=True,
    help="The longest time to wait, in seconds.",
)
@reason_option
@actor_option
@json_option
def drain(flow_name: str, timeout_seconds: float, reason: str | None, actor: str, as_json: bool) -> None:
    """Stop the ingestion of a flow and wait until none of its records is pending or processing.

    Workers go on processing. The command also waits for transactions that enqueued before the stop, and for those whose
    snapshot may be older than the stop. Exits with 0 when the flow is empty, and with 4 when the timeout passes first.
    Ingestion stays stopped even after the command has ended. To allow ingestion again, call queuectl resume FLOW
    --ingestion.
    """
    with processor("drain") as queue:
        queue.stop_ingestion(flow_name, actor=actor, reason=reason or "drained")
        left, writer_count = _wait(queue, flow_name, timeout_seconds)
    is_empty = not left.total and not writer_count
    if as_json:
        write_json(
            {
                "flow_name": flow_name,
                "is_empty": is_empty,
                "ingestion_stopped": True,
                "open_writers": writer_count,
            }
            | _counts(left)
        )
    elif not left.total and writer_count:
        say(
            f"It is not certain that {flow_name} is empty after {timeout_seconds:g} s: "
            f"{plural(writer_count, 'transaction')} that began before the drain "
            f"{word(writer_count, 'is', 'are')} still open and could add records. "
            "pg_stat_activity shows their sessions. Ingestion stays stopped.",
            err=True,
        )
    elif left.total:
        say(
            f"{flow_name} is not empty after {timeout_seconds:g} s: {_text(left)}. See whether the flow is paused "
            "(queuectl status), or what it waits for (queuectl explain). Ingestion stays stopped.",
            err=True,
        )
    else:
        say(f"{flow_name} is empty. Accept records again with: queuectl resume {flow_name} --ingestion")
    if not is_empty:
        sys.exit(NOT_EMPTY)


def _wait(
    queue: "DistributedProcessor", flow_name: str, timeout_seconds: float
) -> "tuple[UnfinishedCounts, int]":
    """Returns the counts of unfinished records at the end of the wait. Also returns the number of open transactions
    that could still add records: those that wrote to the queue before the stop, and those whose snapshot may be older
    than the stop."""
    ends_at = time.monotonic() + timeout_seconds
    said_at = 0.0
    writers = _open_writers(queue)
    while True:
        # The open transactions are read before the counts. So the counts include the records of every transaction that
        # is no longer open.
        writers &= _open_writers(queue)
        left = look(queue, flow_name)
        now = time.monotonic()
        if (not left.total and not writers) or now >= ends_at:
            return left, len({transaction for transaction, _ in writers})
        if now - said_at >= SAY_SECONDS:
            said_at = now
            say(f"{flow_name}: {_text(left)}", err=True)
        time.sleep(min(LOOK_SECONDS, ends_at - now))


def look(queue: "DistributedProcessor", flow_name: str) -> "UnfinishedCounts":
    from queue_store.readings.unfinished import unfinished_counts

    with queue.database.transaction() as cursor:
        return unfinished_counts(cursor, flow_name)


def _open_writers(queue: "DistributedProcessor") -> set[tuple[str, str | None]]:
    from queue_store.readings.unfinished import open_writers

    with queue.database.transaction() as cursor:
        return open_writers(cursor)


def _counts(left: "UnfinishedCounts") -> dict[str, int]:
    return {"due": left.due, "due_later": left.future, "processing": left.processing}


def _text(left: "UnfinishedCounts") -> str:
    return f"{left.due} due, {left.future} due later, {left.processing} processing"
