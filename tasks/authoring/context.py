"""The context of a record: facts that a handler may read, and methods with which it reports."""

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
    """The members of a run that a context uses."""

    @property
    def max_retries(self) -> int: ...

    def is_cancelled(self, record: Record) -> bool: ...

    def write_progress(self, record: Record, encoded_progress: bytes) -> bool: ...

    async def write_progress_async(self, record: Record, encoded_progress: bytes) -> bool: ...

    def check_flow(self, flow_name: str) -> None: ...


class FlowContext(Generic[PayloadT]):
    """The context of one record. A handler receives the context in the parameter that is annotated with this class. A
    batch handler receives a list of contexts: `list[FlowContext[Order]]` if the payloads have the type `Order`."""

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
        """The number of this attempt, starting at 1. Attempts that crashed, were snoozed or were released do not
        count."""
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
        """The seconds until the attempt is stopped; None without a time limit."""
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    @property
    def deadline(self) -> datetime | None:
        """The time at which the attempt will be stopped, by this host's clock. None if the attempt has no time
        limit."""
        remaining = self.remaining_seconds
        return None if remaining is None else datetime.now(UTC) + timedelta(seconds=remaining)

    @property
    def is_cancelled(self) -> bool:
        """Whether somebody asked the handler of this record to stop. The process reads such requests with each
        heartbeat. This property does not ask the database."""
        return self._run_side.is_cancelled(self.record)

    def raise_if_cancelled(self) -> None:
        """Raises RecordCancelled if somebody asked the handler of this record to stop. If the handler does not catch
        the error, the record becomes cancelled."""
        if self.is_cancelled:
            raise RecordCancelled(f"record {self.record_id} was asked to stop")

    def enqueue(self, flow_name: str, payload: Any, **options: Unpack[RecordOptions]) -> None:
        """Enqueue a new record in the transaction that completes the handler's record. With every kind of
        handler, the new record is enqueued only if the handler's record is completed. The new record is enqueued
        even while ingestion is stopped, but not if an unfinished record has the same `dedup_key`. By default the new
        record gets the correlation id of the handler's record. If no span is current, the new record also gets the
        trace of the handler's record. Raises PayloadRejectedError, UnknownFlowError."""
        options.setdefault("correlation_id", self.correlation_id or None)
        parameters = check_record(NewRecord(payload, **options), encoder_of(flow_name))
        parameters["trace_context"] = parameters["trace_context"] or self.record.trace_context
        self._run_side.check_flow(flow_name)
        self.follow_ups.append(
            parameters | {"flow_name": flow_name, "on_duplicate": "skip", "is_follow_up": True}
        )

    def report_progress(self, progress: Any) -> bool:
        """Store the progress of the handler: any JSON of up to 8 kB that needs at most 16 kB as jsonb. The progress is
        stored at once, over another connection. So the progress is visible before the handler's transaction commits,
        and is not rolled back with that transaction. Returns False if the record is no longer processing under the
        handler's claim. Raises PayloadRejectedError, DatabaseUnavailableError."""
        return self._run_side.write_progress(
            self.record, encode_json(progress, PROGRESS_LIMIT_BYTES, "progress")
        )

    async def report_progress_async(self, progress: Any) -> bool:
        """Like `report_progress`, but does not block the event loop."""
        encoded = encode_json(progress, PROGRESS_LIMIT_BYTES, "progress")
        return await self._run_side.write_progress_async(self.record, encoded)

    @cached_property
    def logger(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the flow, run, record, attempt and correlation id to every line."""
        return logging.LoggerAdapter(logging.getLogger(f"flows.{self.flow_name}"), fields_of(self.record))
