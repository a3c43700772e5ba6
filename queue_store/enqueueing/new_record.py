"""The values that a producer may set for a record. Each value is checked before it is sent to the database."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from queue_store.enqueueing.payload_encoders import Encode, encode_payload
from queue_store.enqueueing.trace_context import current_trace_context
from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import plain_text

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    PayloadT = DefaultTypeVar("PayloadT", default=Any)  # in `typing` from Python 3.13 on
else:
    PayloadT = TypeVar("PayloadT")

OnDuplicate = Literal["raise", "skip", "replace"]
DEFAULT_PRIORITY = 5
KEY_LENGTH = 255
TRACE_CONTEXT_LENGTH = 1024
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_LONGEST_DELAY = timedelta(days=365 * 100)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NewRecord(Generic[PayloadT]):
    """A payload with the options of its record.

    `priority`: 0 to 9, smaller numbers first; None means 5. `scheduled_at`: an aware datetime, or a timedelta from now
    by the database's clock; None means now. `dedup_key`: unique among the flow's unfinished records. `order_key`:
    records of a flow that have the same key are processed one after the other. When a record is replaced, an option
    that is None keeps its old value.
    """

    payload: PayloadT
    priority: int | None = None
    scheduled_at: datetime | timedelta | None = None
    dedup_key: str | None = None
    order_key: str | None = None
    correlation_id: str | None = None
    trace_context: str | None = None


def check_record(record: NewRecord, encode: Encode = encode_payload) -> dict[str, Any]:
    """Returns the record as parameters, with the payload as JSON. If a value is not allowed, raises a
    PayloadRejectedError that names the value's field."""
    check_options(record)
    return {
        "payload": encode(record.payload).decode(),
        "priority": record.priority,
        "scheduled_at": in_utc(record.scheduled_at) if isinstance(record.scheduled_at, datetime) else None,
        "delay_seconds": _delay_seconds(record.scheduled_at),
        "dedup_key": plain(record.dedup_key),
        "order_key": plain(record.order_key),
        "correlation_id": plain(record.correlation_id),
        "trace_context": plain(record.trace_context) or current_trace_context(),
    }


def in_utc(due_at: datetime) -> datetime:
    """Postgres refuses offsets of 16 hours or more, and offsets with a fraction of a second. Python allows both."""
    return due_at.astimezone(UTC)


def _delay_seconds(scheduled_at: datetime | timedelta | None) -> float | None:
    """Returns None if the caller gave no delay. A delay of zero becomes a microsecond, because the statement that
    replaces a record reads 0 as "no delay was given"."""
    if not isinstance(scheduled_at, timedelta):
        return None
    return max(scheduled_at, timedelta(microseconds=1)).total_seconds()


def plain(key: str | None) -> str | None:
    return None if key is None else plain_text(key)


def check_options(record: NewRecord) -> None:
    """Checks everything but the payload. Raises PayloadRejectedError."""
    if record.priority is not None:
        check_priority(record.priority)
    if record.scheduled_at is not None:
        _check_instant(record.scheduled_at)
    if record.dedup_key is not None:
        check_text(record.dedup_key, "dedup_key", KEY_LENGTH)
    if record.order_key is not None:
        check_text(record.order_key, "order_key", KEY_LENGTH)
    if record.correlation_id is not None:
        check_text(record.correlation_id, "correlation_id", KEY_LENGTH)
    if record.trace_context is not None:
        check_text(record.trace_context, "trace_context", TRACE_CONTEXT_LENGTH)


def check_priority(priority: object) -> None:
    if type(priority) is not int or not 0 <= priority <= 9:
        raise PayloadRejectedError("priority", f"must be a whole number from 0 to 9, not {_shown(priority)}")


def check_text(value: object, field: str, maximum_length: int) -> None:
    if not isinstance(value, str):
        raise PayloadRejectedError(field, f"must be text, not {type(value).__name__}")
    if not 1 <= len(value) <= maximum_length:
        raise PayloadRejectedError(field, f"must have 1 to {maximum_length} characters, not {len(value)}")
    if not value.isalnum() and _UNSTORABLE.search(value):
        raise PayloadRejectedError(field, "must not contain NUL characters or lone surrogates")


def check_choice(on_duplicate: object) -> None:
    if on_duplicate not in get_args(OnDuplicate):
        raise PayloadRejectedError(
            "on_duplicate", f"must be raise, skip or replace, not {_shown(on_duplicate)}"
        )


def checked_flow_name(flow_name: object) -> str:
    """The name as plain text. Raises PayloadRejectedError."""
    if not isinstance(flow_name, str):
        raise PayloadRejectedError("flow_name", f"must be text, not {type(flow_name).__name__}")
    return plain_text(flow_name)


def _check_instant(value: object) -> None:
    if isinstance(value, timedelta):
        _require(timedelta() <= value <= _LONGEST_DELAY, "a delay must be between 0 and 100 years", value)
    elif isinstance(value, datetime):
        _require(value.utcoffset() is not None, "needs a time zone, such as datetime.now(UTC)", value)
        _require(_EARLIEST <= value < _LATEST, "must lie between the years 2000 and 9999", value)
    else:
        raise PayloadRejectedError(
            "scheduled_at", f"must be a datetime with a time zone or a timedelta, not {type(value).__name__}"
        )


def _require(holds: bool, problem: str, value: object, shown: Callable[[object], str] = str) -> None:
    if not holds:
        raise PayloadRejectedError("scheduled_at", f"{problem}; this is {shown(value)[:64]}")


def _shown(value: object) -> str:
    return ascii(value)[:64]
