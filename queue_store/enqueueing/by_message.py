"""Enqueues a record for the sender of a Celery message. The worker's session writes the record, but the worker's login
does not count as the record's producer."""

from typing import Any

from psycopg import Cursor

from queue_store.database.statements import sql
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.new_record import NewRecord, OnDuplicate
from queue_store.enqueueing.steps import Enqueued, enqueue_steps


def enqueue_by_message(
    cursor: Cursor[Any], flow_name: str, record: NewRecord, on_duplicate: OnDuplicate
) -> Enqueued:
    """The record's `enqueued_by` is the worker's login followed by " by message", so no login counts as the record's
    producer. All records that this transaction enqueues later also get this `enqueued_by`. Raises like
    `queue_store.enqueue`."""
    cursor.execute(sql("enqueueing/mark_as_message"))
    return run(cursor, enqueue_steps(flow_name, record, on_duplicate, is_follow_up=False))
