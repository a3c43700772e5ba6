"""Rows as lines of COPY's text format."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice

from queue_store.enqueueing.new_record import NewRecord

Row = tuple[bytes, NewRecord | None]  # a payload as JSON, and the options of its own
BLOCK_RECORDS = 100
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Small ones: Postgres stores the one before while the next is encoded."""
    remaining = iter(lines)
    while block := b"".join(islice(remaining, BLOCK_RECORDS)):
        yield block


def lines_of(flow_name: str, common: NewRecord, now: datetime, chunk: Iterable[Row]) -> Iterator[bytes]:
    """A row without options of its own has the common ones. Delays count from `now`."""
    begin = flow_name.encode() + b"\t"
    common_end = _end(common, now)
    for encoded, record in chunk:
        escaped = encoded.replace(b"\\", b"\\\\") if b"\\" in encoded else encoded
        yield b"%b%b%b" % (begin, escaped, common_end if record is None else _end(record, now))


def numbered(ids: list[int], lines: Iterable[bytes]) -> Iterator[bytes]:
    return map(b"%d\t%b".__mod__, zip(ids, lines, strict=True))


def _end(record: NewRecord, now: datetime) -> bytes:
    """The fields after the payload."""
    due_at = (
        now + record.scheduled_at
        if isinstance(record.scheduled_at, timedelta)
        else record.scheduled_at or now
    )
    dedup_key, order_key = _escaped(record.dedup_key), _escaped(record.order_key)
    correlation_id, trace_context = _escaped(record.correlation_id), _escaped(record.trace_context)
    end = f"\t{record.priority}\t{due_at}\t{dedup_key}\t{order_key}\t{correlation_id}\t{trace_context}\n"
    return end.encode()


def _escaped(text: str | None) -> str:
    if text is None:
        return r"\N"
    return text if text.isalnum() else text.translate(_ESCAPES)
