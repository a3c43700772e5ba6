"""This task enqueues a record. Applications that share the broker can send the task, and so can Flower's REST API.
The task refuses a flow that the setting ENQUEUE_BY_MESSAGE does not name, because anybody who can write to the
broker can send the task.

    record = ["send_invoice", {"order_id": 17}]
    app.send_task("processing_queue.enqueue", record, {"dedup_key": "order 17"}, queue="control")

The record is accepted when its row exists, not when the message is sent. The message is acknowledged only when the row
exists. So the broker may deliver a message twice. If the worker process dies before the row exists, the broker delivers
the message again. A message that ends three processes of one worker is dropped, and the warning `messages_quarantined`
reports it.

Each record has a dedup_key. So if a message is delivered twice, the second delivery makes no second record while the
first record is unfinished. If the first record has finished before the second delivery, that delivery makes a second
record. The task never replaces a payload. The record's `enqueued_by` is the worker's login, followed by " by message".
So no login counts as the record's producer.
"""

import random
import re
from datetime import datetime
from typing import Any

from queue_store.enqueueing import NewRecord, OnDuplicate
from queue_store.enqueueing.after_commit import send_hint
from queue_store.enqueueing.by_message import enqueue_by_message
from queue_store.enqueueing.trace_context import producer_span
from queue_store.errors import (
    ConflictError,
    DatabaseUnavailableError,
    IngestionStoppedError,
    PayloadRejectedError,
    QueueStoreError,
)
from queue_store.settings import ProcessorSettings

from .app import waking_task
from .worker.services import worker_services

AGAIN_SECONDS = 5.0
EVERY_FLOW = "*"
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
NOT_NOW = (DatabaseUnavailableError, ConflictError, IngestionStoppedError, MemoryError)


@waking_task(
    "processing_queue.enqueue", old_name="tasks.enqueue",
    bind=True, acks_late=True, reject_on_worker_lost=True, max_retries=None, hides_arguments=True, tries_again=True,
)  # fmt: skip
def enqueue(
    self: Any,
    flow_name: str,
    payload: Any,
    dedup_key: str | None = None,
    on_duplicate: OnDuplicate = "skip",
    priority: int | None = None,
    scheduled_at: str | None = None,
    order_key: str | None = None,
    correlation_id: str | None = None,
) -> None:
    """Enqueue one record. Without a `dedup_key`, the record gets a key that contains the id of the message. With a
    wrong payload the task fails, and Flower and the log show the error. While the database cannot be reached or
    ingestion is stopped, the message waits."""
    try:
        services = worker_services()
        _refuse_unless_allowed(services.settings, flow_name, on_duplicate)
        record = NewRecord(
            payload,
            priority=priority,
            scheduled_at=_instant(scheduled_at),
            dedup_key=dedup_key if dedup_key is not None else f"celery task {self.request.id}",
            order_key=order_key,
            correlation_id=correlation_id,
            trace_context=trace_context_of(self.request),
        )
        with producer_span("enqueue", flow_name), services.database.transaction() as cursor:
            enqueued = enqueue_by_message(cursor, flow_name, record, on_duplicate)
        send_hint(services.hints, enqueued.flow_name, enqueued.celery_queue)
    except NOT_NOW as error:
        raise self.retry(exc=error, countdown=AGAIN_SECONDS * random.uniform(0.5, 1.5)) from error  # noqa: S311
    except QueueStoreError as error:
        raise QueueStoreError(f"not enqueued: {error}") from None  # an error that Celery can serialise


def _refuse_unless_allowed(settings: ProcessorSettings, flow_name: object, on_duplicate: object) -> None:
    allowed = settings.enqueue_by_message
    if not allowed:
        raise QueueStoreError(
            "enqueueing by message is off: ENQUEUE_BY_MESSAGE must name the flows for which messages may enqueue"
        )
    if EVERY_FLOW not in allowed and flow_name not in allowed:
        raise QueueStoreError(f"ENQUEUE_BY_MESSAGE does not name the flow {ascii(flow_name)[:64]}")
    if on_duplicate not in ("raise", "skip"):
        raise PayloadRejectedError("on_duplicate", "must be raise or skip: a message replaces no payload")


def trace_context_of(request: Any) -> str | None:
    traceparent = getattr(request, "traceparent", None)
    return traceparent if isinstance(traceparent, str) and TRACEPARENT.fullmatch(traceparent) else None


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise PayloadRejectedError(
            "scheduled_at", f"must be like 2030-01-31T12:00:00+00:00, not {ascii(text)[:64]}"
        ) from None
