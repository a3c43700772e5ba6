"""Records as a run receives them, and the outcomes that the run reports for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from uuid import UUID

from queue_store.errors import UnknownRecordError
from queue_store.records.payload import decode_json

STATUSES = ("pending", "processing", "completed", "failed", "cancelled")

_POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Record:
    """A claimed record. `(id, flow_instance_id, claim_number)` is the fence in everything that a run writes about
    the record.

    `jsonb` and the `…_microseconds` hold the values that Postgres sent. A value is decoded only when somebody reads it:
    decoding all values of every record took a fifth of a worker's CPU. Decoding on demand also keeps one bad payload
    from breaking its batch."""

    id: int
    claim_number: int
    jsonb: bytes
    priority: int
    scheduled_microseconds: int
    retry_count: int
    crash_strikes: int
    created_microseconds: int
    claimed_microseconds: int
    order_key: str | None
    correlation_id: str | None
    trace_context: str | None
    flow_name: str
    flow_instance_id: UUID
    timezone: tzinfo

    @property
    def payload(self) -> Any:
        """The payload is decoded again at each access. Raises PayloadRejectedError."""
        return decode_json(self.jsonb[1:])  # the first byte is the version of the binary format

    @property
    def encoded_payload(self) -> bytes:
        """UTF-8 JSON."""
        return self.jsonb[1:]

    @property
    def scheduled_at(self) -> datetime:
        return self._instant(self.scheduled_microseconds)

    @property
    def created_at(self) -> datetime:
        return self._instant(self.created_microseconds)

    @property
    def claimed_at(self) -> datetime:
        return self._instant(self.claimed_microseconds)

    def _instant(self, microseconds: int) -> datetime:
        return (_POSTGRES_EPOCH + timedelta(microseconds=microseconds)).astimezone(self.timezone)

    @property
    def attempt_number(self) -> int:
        return self.retry_count + 1


@dataclass(slots=True)
class Completed:
    """complete: the handler returned. `started` and `finished` are instants of `time.monotonic()`. `follow_ups`: the
    parameters of arrows/enqueue.sql for each record that is enqueued in the same transaction."""

    record: Record
    started: float
    finished: float
    result: bytes | None = None
    follow_ups: Sequence[dict[str, Any]] = ()


@dataclass(slots=True)
class Failure:
    """retry or fail: the handler raised an error. If `retry_delay_seconds` is None, the error is permanent."""

    record: Record
    started: float
    finished: float
    exception_type: str
    error_message: str
    error_group: str
    traceback: str | None = None
    retry_delay_seconds: float | None = None


@dataclass(slots=True)
class Snooze:
    """snooze: the handler asks to run again later. No attempt is charged."""

    record: Record
    delay_seconds: float


@dataclass(slots=True)
class Cancelled:
    """cancel: the owner gives up a record that was asked to stop. This outcome is refused if nobody asked the record
    to stop."""

    record: Record


Outcome = Completed | Failure | Snooze | Cancelled


@dataclass(slots=True)
class Written:
    """The ids of the records whose outcomes were written, by arrow, and the ids that the fence refused.
    `flows_to_hint`: the flow and the Celery queue of each follow-up record that was enqueued."""

    completed_ids: list[int] = field(default_factory=list[int])
    retried_ids: list[int] = field(default_factory=list[int])
    failed_ids: list[int] = field(default_factory=list[int])
    snoozed_ids: list[int] = field(default_factory=list[int])
    cancelled_ids: list[int] = field(default_factory=list[int])
    refused_ids: list[int] = field(default_factory=list[int])
    flows_to_hint: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


def check_record_id(record_id: object) -> None:
    """Raises UnknownRecordError for a value that cannot be an id."""
    if type(record_id) is not int or not 0 < record_id < 2**63:
        raise UnknownRecordError(
            f"there is no record {ascii(record_id)[:64]}: an id is a whole number from 1 to 2**63 - 1"
        )
