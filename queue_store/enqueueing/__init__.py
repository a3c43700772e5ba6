"""Enqueueing puts records into the queue, in the caller's own transaction.

    with Session(engine) as session:
        session.add(order)
        enqueue(session, "send_invoice", {"order_id": 17})
        session.commit()  # both, or neither

The functions whose names begin with `a` do the same on asynchronous connections.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, Unpack

from queue_store.enqueueing.after_commit import hint_after_commit, send_hints, session_to_hint
from queue_store.enqueueing.bulk import EnqueuedMany, enqueue_many_steps
from queue_store.enqueueing.connections import arun, arun_atomically, run, run_atomically
from queue_store.enqueueing.new_record import NewRecord, OnDuplicate
from queue_store.enqueueing.steps import Enqueued, enqueue_steps
from queue_store.enqueueing.trace_context import producer_span

if TYPE_CHECKING:
    from queue_store.enqueueing.connections import AsyncConnections, SyncConnection
    from queue_store.enqueueing.hints import HintSender

__all__ = [
    "Enqueued",
    "EnqueuedMany",
    "NewRecord",
    "OnDuplicate",
    "RecordOptions",
    "aenqueue",
    "aenqueue_many",
    "enqueue",
    "enqueue_many",
    "send_hints",
]


class RecordOptions(TypedDict, total=False):
    """The options of a NewRecord: all its fields except the payload. NewRecord describes each option."""

    priority: int | None
    scheduled_at: datetime | timedelta | None
    dedup_key: str | None
    order_key: str | None
    correlation_id: str | None
    trace_context: str | None


def enqueue(
    connection: "SyncConnection",
    flow_name: str,
    payload: object,
    *,
    on_duplicate: OnDuplicate = "raise",
    hint_sender: "HintSender | None" = None,
    is_follow_up: bool = False,
    **options: Unpack[RecordOptions],
) -> Enqueued:
    """Write one record with one statement. The record exists once the caller has committed.

    `on_duplicate`: what to do if an unfinished record of the flow has the same `dedup_key`. "raise" raises
    DuplicateRecordError. "skip" writes nothing. "replace" gives the unfinished record the new payload and the given
    options, or raises DuplicateRecordError if that record is already running.

    `hint_sender`: wakes a worker right after the COMMIT. It needs a SQLAlchemy session as `connection`. `is_follow_up`:
    for records that a run enqueues; they are accepted even while ingestion is stopped.

    Raises PayloadRejectedError, UnknownFlowError, DuplicateRecordError, IngestionStoppedError.
    """
    session = session_to_hint(connection, hint_sender)
    steps = enqueue_steps(flow_name, NewRecord(payload, **options), on_duplicate, is_follow_up=is_follow_up)
    with producer_span("enqueue", flow_name):
        enqueued = run(connection, steps)
    if session and hint_sender:
        hint_after_commit(session, hint_sender, enqueued)
    return enqueued


async def aenqueue(
    connection: "AsyncConnections",
    flow_name: str,
    payload: object,
    *,
    on_duplicate: OnDuplicate = "raise",
    hint_sender: "HintSender | None" = None,
    is_follow_up: bool = False,
    **options: Unpack[RecordOptions],
) -> Enqueued:
    """See `enqueue`."""
    session = session_to_hint(connection, hint_sender)
    steps = enqueue_steps(flow_name, NewRecord(payload, **options), on_duplicate, is_follow_up=is_follow_up)
    with producer_span("enqueue", flow_name):
        enqueued = await arun(connection, steps)
    if session and hint_sender:
        hint_after_commit(session, hint_sender, enqueued)
    return enqueued


def enqueue_many(
    connection: "SyncConnection",
    flow_name: str,
    rows: Iterable[object],
    *,
    on_duplicate: OnDuplicate = "raise",
    with_ids: bool = False,
    hint_sender: "HintSender | None" = None,
    is_follow_up: bool = False,
    **options: Unpack[RecordOptions],
) -> EnqueuedMany:
    """Write any number of records by COPY, all or none. The call needs bounded memory, except for the positions of
    duplicates, and for the ids if the caller asks for ids.

    Each row is a payload or a NewRecord. `options` apply to rows that are payloads. A NewRecord has options of its own:
    if any row is a NewRecord, give no `options`. If several rows have the same `dedup_key`, "replace" takes the last of
    these rows. Raises the same errors as `enqueue`, with one exception: if a record is already running, "replace"
    raises no error, but lists the row in `EnqueuedMany.running_positions`. A PayloadRejectedError names the row, unless
    the database itself refused the value. A DuplicateRecordError names the key.
    """
    session = session_to_hint(connection, hint_sender)
    steps = enqueue_many_steps(
        flow_name,
        rows,
        NewRecord(None, **options),
        on_duplicate,
        with_ids=with_ids,
        is_follow_up=is_follow_up,
    )
    with producer_span("enqueue", flow_name):
        enqueued = run_atomically(connection, steps)
    if session and hint_sender:
        hint_after_commit(session, hint_sender, enqueued)
    return enqueued


async def aenqueue_many(
    connection: "AsyncConnections",
    flow_name: str,
    rows: Iterable[object],
    *,
    on_duplicate: OnDuplicate = "raise",
    with_ids: bool = False,
    hint_sender: "HintSender | None" = None,
    is_follow_up: bool = False,
    **options: Unpack[RecordOptions],
) -> EnqueuedMany:
    """See `enqueue_many`."""
    session = session_to_hint(connection, hint_sender)
    steps = enqueue_many_steps(
        flow_name,
        rows,
        NewRecord(None, **options),
        on_duplicate,
        with_ids=with_ids,
        is_follow_up=is_follow_up,
    )
    with producer_span("enqueue", flow_name):
        enqueued = await arun_atomically(connection, steps)
    if session and hint_sender:
        hint_after_commit(session, hint_sender, enqueued)
    return enqueued
