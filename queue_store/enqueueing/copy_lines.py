"""Rows as lines of COPY's text format."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from queue_store.enqueueing.new_record import DEFAULT_PRIORITY, NewRecord, in_utc
from queue_store.records.payload import plain_text

Row = tuple[bytes, NewRecord | None]  # a payload as JSON, and the record with the row's own options
BLOCK_RECORDS = 100
NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Joins the lines into small blocks, so that Postgres stores one block while the next is encoded."""
    remaining = iter(lines)
    while some := list(islice(remaining, BLOCK_RECORDS)):
        yield b"".join(some)


def lines_of(
    flow_name: str, common: NewRecord, now: datetime, chunk: Iterable[Row], *, keeps_unsaid: bool = False
) -> Iterator[bytes]:
    """A row without options of its own gets the common options. Delays count from `now`. With `keeps_unsaid`, an option
    that was not given becomes NULL instead of its default, for statements that must know which options were given."""
    begin = flow_name.encode() + b"\t"
    unsaid = (NULL, NULL) if keeps_unsaid else (str(DEFAULT_PRIORITY), str(now))
    common_end = _end(common, now, unsaid)
    for encoded, record in chunk:
        escaped = encoded.replace(b"\\", b"\\\\") if b"\\" in encoded else encoded
        yield b"%b%b%b" % (
            begin,
            escaped,
            common_end if record is None else _end(record, now, unsaid),
        )


def numbered(ids: list[int], lines: Iterable[bytes]) -> Iterator[bytes]:
    return map(b"%d\t%b".__mod__, zip(ids, lines, strict=True))


def _end(record: NewRecord, now: datetime, unsaid: tuple[str, str]) -> bytes:
    """The fields after the payload. `unsaid`: what to write if the record gives no priority or due time."""
    priority = unsaid[0] if record.priority is None else record.priority
    due_at: object = unsaid[1] if record.scheduled_at is None else record.scheduled_at
    if isinstance(due_at, timedelta):
        due_at = now + due_at
    elif isinstance(due_at, datetime):
        due_at = in_utc(due_at)
    dedup_key = NULL if record.dedup_key is None else _escaped(record.dedup_key)
    order_key = NULL if record.order_key is None else _escaped(record.order_key)
    correlation_id = NULL if record.correlation_id is None else _escaped(record.correlation_id)
    trace_context = NULL if record.trace_context is None else _escaped(record.trace_context)
    end = f"\t{priority}\t{due_at}\t{dedup_key}\t{order_key}\t{correlation_id}\t{trace_context}\n"
    return end.encode()


def _escaped(text: str) -> str:
    text = plain_text(text)
    return text if text.isalnum() else text.translate(_ESCAPES)
