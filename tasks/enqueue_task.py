"""The task by which applications that share the broker enqueue, and Flower's REST API with it.

    record = ["send_invoice", {"order_id": 17}]
    app.send_task("processing_queue.enqueue", record, {"dedup_key": "order 17"}, queue="control")

The record is accepted when its row exists, not when the message is sent. The message is acknowledged after that, so
it may be delivered twice: the dedup_key makes one record of both while that is not finished. A message that is
delivered again later makes a second record.
"""

import random
import re
from datetime import datetime
from typing import Any

from queue_store.distributed_processor import DistributedProcessor
from queue_store.enqueueing import OnDuplicate
from queue_store.errors import (
    ConflictError,
    DatabaseUnavailableError,
    IngestionStoppedError,
    PayloadRejectedError,
    QueueStoreError,
)

from .app import owned_task
from .worker.services import services

AGAIN_SECONDS = 5.0
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
NOT_NOW = (DatabaseUnavailableError, ConflictError, IngestionStoppedError, MemoryError)


@owned_task("processing_queue.enqueue", old_name="tasks.enqueue", bind=True, acks_late=True, max_retries=None)
def enqueue(
    self: Any,
    flow_name: str,
    payload: Any,
    dedup_key: str | None = None,
    on_duplicate: OnDuplicate = "skip",
    priority: int = 5,
    scheduled_at: str | None = None,
    order_key: str | None = None,
    correlation_id: str | None = None,
) -> None:
    """Enqueue one record. Without a `dedup_key` the id of the message is one. What cannot be stored fails, visibly in
    Flower and in the log; while the database is away or ingestion is stopped, the message waits."""
    try:
        worker = services()
        processor = DistributedProcessor(worker.database, worker.settings, worker.hints)
        processor.enqueue(
            flow_name,
            payload,
            on_duplicate=on_duplicate,
            priority=priority,
            scheduled_at=_instant(scheduled_at),
            dedup_key=dedup_key if dedup_key is not None else f"celery task {self.request.id}",
            order_key=order_key,
            correlation_id=correlation_id,
            trace_context=trace_context_of(self.request),
        )
    except NOT_NOW as error:
        raise self.retry(exc=error, countdown=AGAIN_SECONDS * random.uniform(0.5, 1.5)) from error  # noqa: S311
    except QueueStoreError as error:
        raise QueueStoreError(f"not enqueued: {error}") from None  # of a kind that Celery can serialise


def trace_context_of(request: Any) -> str | None:
    """Of whoever sent the message, where it says so in a header."""
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
