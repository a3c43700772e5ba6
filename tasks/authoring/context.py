"""What a handler may know of the record it works on, and say while it works."""

import logging
import time
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Generic, Protocol, Unpack
from uuid import UUID

from queue_store.enqueueing import NewRecord, RecordOptions
from queue_store.enqueueing.new_record import PayloadT, check_record
from queue_store.enqueueing.payload_encoders import encoder_of
from queue_store.records.payload import encode_json
from queue_store.records.record import Record

from ..exceptions import RecordCancelled
from ..observing.bound_fields import fields_of

PROGRESS_LIMIT_BYTES = 8_192


class RunSide(Protocol):
    """What a context needs of the run that the record belongs to."""

    @property
    def max_retries(self) -> int: ...

    def is_cancelled(self, record: Record) -> bool: ...

    def write_progress(self, record: Record, encoded_progress: bytes) -> bool: ...

    async def write_progress_async(self, record: Record, encoded_progress: bytes) -> bool: ...

    def check_flow(self, flow_name: str) -> None: ...


class FlowContext(Generic[PayloadT]):
    """Annotate a handler's parameter with this class to receive it. A batch handler receives a list of them:
    `list[FlowContext[Order]]` where payloads have a type."""

    def __init__(self, record: Record, run_side: RunSide, ends_at: float | None = None) -> None:
        self.record = record
        self._run_side = run_side
        self._ends_at = ends_at  # by time.monotonic()
        self.follow_ups: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        return f"FlowContext(record_id={self.record_id}, attempt_number={self.attempt_number})"

    @property
    def record_id(self) -> int:
        return self.record.id

    @cached_property
    def payload(self) -> PayloadT:
        return self.record.payload

    @property
    def flow_name(self) -> str:
        return self.record.flow_name

    @property
    def flow_instance_id(self) -> UUID:
        return self.record.flow_instance_id

    @property
    def claim_number(self) -> int:
        return self.record.claim_number

    @property
    def attempt_number(self) -> int:
        """1 for the first; attempts that crashed, were snoozed or released do not count."""
        return self.record.attempt_number

    @property
    def is_last_attempt(self) -> bool:
        return self.record.retry_count >= self._run_side.max_retries

    @property
    def created_at(self) -> datetime:
        return self.record.created_at

    @property
    def scheduled_at(self) -> datetime:
        return self.record.scheduled_at

    @property
    def correlation_id(self) -> str | None:
        return self.record.correlation_id

    @property
    def remaining_seconds(self) -> float | None:
        """How long until the attempt is stopped; None without a time limit."""
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    @property
    def deadline(self) -> datetime | None:
        """The same as an instant of this host's clock."""
        remaining = self.remaining_seconds
        return None if remaining is None else datetime.now(UTC) + timedelta(seconds=remaining)

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked this record to stop. Known within a heartbeat; costs nothing to ask."""
        return self._run_side.is_cancelled(self.record)

    def raise_if_cancelled(self) -> None:
        """Raises RecordCancelled, which the handler lets pass: the record becomes cancelled."""
        if self.is_cancelled:
            raise RecordCancelled(f"record {self.record_id} was asked to stop")

    def enqueue(self, flow_name: str, payload: Any, **options: Unpack[RecordOptions]) -> None:
        """Enqueue another record in the transaction that completes this one: it exists exactly when this one is
        completed, whatever kind of handler this is, and also while ingestion is stopped. Where an unfinished record
        has the same `dedup_key`, it is skipped. Unless told otherwise, it keeps this record's correlation id, and this
        record's trace if no span is current. Raises PayloadRejectedError, UnknownFlowError."""
        options.setdefault("correlation_id", self.correlation_id or None)
        parameters = check_record(NewRecord(payload, **options), encoder_of(flow_name))
        parameters["trace_context"] = parameters["trace_context"] or self.record.trace_context
        self._run_side.check_flow(flow_name)
        self.follow_ups.append(
            parameters | {"flow_name": flow_name, "on_duplicate": "skip", "is_follow_up": True}
        )

    def report_progress(self, progress: Any) -> bool:
        """Store how far the handler is, any JSON of up to 8 kB, at once and over another connection: visible before
        the handler's transaction commits, and not taken back with it. False: the record belongs to another claim
        now. Raises PayloadRejectedError, DatabaseUnavailableError."""
        return self._run_side.write_progress(
            self.record, encode_json(progress, PROGRESS_LIMIT_BYTES, "progress")
        )

    async def report_progress_async(self, progress: Any) -> bool:
        """The same without keeping the event loop waiting."""
        encoded = encode_json(progress, PROGRESS_LIMIT_BYTES, "progress")
        return await self._run_side.write_progress_async(self.record, encoded)

    @cached_property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """Says with every line which flow, run, record and attempt it belongs to."""
        return logging.LoggerAdapter(logging.getLogger(f"flows.{self.flow_name}"), fields_of(self.record))
