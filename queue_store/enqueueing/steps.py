"""The rules of enqueueing as generators, which yield statements and receive the rows of these statements.

So one implementation serves every kind of connection: see `queue_store.enqueueing.connections`.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from queue_store.database.statements import NamedStatement
from queue_store.enqueueing.new_record import (
    NewRecord,
    OnDuplicate,
    check_choice,
    check_record,
    checked_flow_name,
)
from queue_store.enqueueing.payload_encoders import encoder_of
from queue_store.errors import DuplicateRecordError, UnknownFlowError
from queue_store.flow_names import is_flow_name
from queue_store.suggestions import closest, did_you_mean

T = TypeVar("T")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY … FROM STDIN: the name of the statement, and the blocks of text that the COPY sends.

    `may_meet_duplicates`: the server can refuse this COPY, because a key exists already or because another bulk call
    with the same keys causes a deadlock. A refused COPY writes nothing, and its answer is one row.
    """

    name: str
    blocks: Iterator[bytes]
    may_meet_duplicates: bool = False


DUPLICATE_MET: Rows = [("duplicate",)]
Steps = Generator[NamedStatement | Copy, Rows, T]


@dataclass(frozen=True, slots=True)
class Enqueued:
    """`id` is the id of the new record or, if `is_duplicate`, the id of the unfinished record with the same
    dedup_key."""

    id: int
    is_duplicate: bool
    flow_name: str
    celery_queue: str


def enqueue_steps(
    flow_name: str, record: NewRecord, on_duplicate: OnDuplicate, *, is_follow_up: bool
) -> Steps[Enqueued]:
    flow_name = checked_flow_name(flow_name)
    check_choice(on_duplicate)
    options = {"on_duplicate": on_duplicate, "is_follow_up": is_follow_up}
    parameters = check_record(record, encoder_of(flow_name))
    if not is_flow_name(flow_name):
        yield from refuse_flow(flow_name)
    rows = yield NamedStatement("arrows/enqueue", {"flow_name": flow_name} | options | parameters)
    record_id, what, celery_queue = rows[0]
    if what == "unknown flow":
        yield from refuse_flow(flow_name)
    if what == "running":
        raise DuplicateRecordError(
            f"record {record_id} of {flow_name} has this dedup_key and is running: its payload cannot be replaced"
        )
    if what == "duplicate" and on_duplicate == "raise":
        raise DuplicateRecordError(
            f"record {record_id} of {flow_name} has the same dedup_key and is not finished; "
            'on_duplicate="skip" returns its id instead'
        )
    return Enqueued(record_id, what != "inserted", flow_name, celery_queue)


_IF_NEW = (
    "If this flow is new, run queuectl register or start its worker before you start the applications that enqueue "
    "for it."
)


def refuse_flow(flow_name: str) -> Steps[None]:
    """Always raises UnknownFlowError. The message suggests a similar name, if there is one."""
    known = [row[0] for row in (yield NamedStatement("flows/flow_names"))]
    shown = ascii(flow_name)[:64]
    name = closest(flow_name, known)
    if name:
        raise UnknownFlowError(f"no flow {shown} is registered{did_you_mean(name)} {_IF_NEW}")
    there_are = f"the registered flows are {', '.join(known)[:200]}" if known else "nor is any other"
    raise UnknownFlowError(f"no flow {shown} is registered; {there_are}. {_IF_NEW}")
