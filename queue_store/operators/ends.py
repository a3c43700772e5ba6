"""Ends a handler that hangs. A request is written for the process in which the handler runs. The request names the
handler's record and the record's claim. The process ends itself, or the main process of its worker kills it. A
request that comes too late changes nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.manager import DatabaseManager
from queue_store.database.rows import row_as
from queue_store.database.statements import sql
from queue_store.operators.audit import audit
from queue_store.records.record import check_record_id

HANDLER_ENDED = "HandlerEndedError"  # the exception type of the attempt that is charged


@dataclass(frozen=True, slots=True)
class AskedToEnd:
    """The process that was asked to end its handler. `crash_strikes`: how many crash strikes the record had before
    the request."""

    record_id: int
    claim_number: int
    crash_strikes: int
    worker_process_id: UUID
    hostname: str
    pid: int


@dataclass(slots=True)
class EndResult:
    """`refused`: for each record id, the reason why no process was asked to end the record's handler."""

    asked: list[AskedToEnd] = field(default_factory=list[AskedToEnd])
    refused: dict[int, str] = field(default_factory=dict[int, str])


@dataclass(frozen=True, slots=True)
class EndAnswer:
    """The result of a request to end a handler."""

    is_ended: bool
    text: str


@dataclass(frozen=True, slots=True)
class _State:
    status: str
    claim_number: int
    crash_strikes: int
    exception_type: str | None
    is_alive: bool
    is_asked: bool


@dataclass(frozen=True, slots=True)
class _Owner:
    status: str
    claim_number: int
    run_state: str | None
    end_record_id: int | None


def ask_to_end(
    database: DatabaseManager,
    record_ids: Iterable[int],
    *,
    actor: str,
    reason: str | None = None,
    claim_number: int | None = None,
) -> EndResult:
    """Ask the processes that work on these records to end their handlers. `claim_number`: end the handler only if the
    record is still processing under this claim. None means the present claim. Raises UnknownRecordError for a value
    that is not an id."""
    ids = sorted(set(record_ids))
    for record_id in ids:
        check_record_id(record_id)
    result = EndResult()
    for record_id in ids:
        parameters: dict[str, object] = {
            "record_id": record_id,
            "claim_number": claim_number,
            "actor": actor,
            "reason": reason,
        }
        with database.transaction() as cursor:
            asked = row_as(cursor.execute(sql("operators/ask_to_end"), parameters), AskedToEnd)
            if asked is None:
                result.refused[record_id] = _why_not(cursor, record_id, claim_number)
                continue
            result.asked.append(asked)
            details = {"claim_number": asked.claim_number, "hostname": asked.hostname, "pid": asked.pid}
            audit(cursor, actor, "end handler", f"record {record_id}", 1, details | {"reason": reason})
    return result


def read_answer(cursor: Cursor[Any], asked: AskedToEnd) -> EndAnswer | None:
    """Returns None if the process has not answered yet."""
    parameters = {
        "record_id": asked.record_id,
        "claim_number": asked.claim_number,
        "worker_process_id": asked.worker_process_id,
    }
    state = row_as(cursor.execute(sql("operators/end_answer"), parameters), _State)
    if state is None:
        return EndAnswer(False, "it does not exist any more; nothing was ended")
    if state.status == "processing" and state.claim_number == asked.claim_number:
        if state.is_asked or not state.is_alive:
            return None
        return EndAnswer(False, "its handler does not run: the record waits in its batch; nothing was ended")
    now = f"it is {state.status} now"
    if state.exception_type == HANDLER_ENDED:
        return EndAnswer(True, f"ended, one attempt is charged; {now}")
    if state.crash_strikes > asked.crash_strikes:
        return EndAnswer(True, f"ended with its process, one crash strike is charged; {now}")
    return EndAnswer(False, f"its handler had returned before; {now}, nothing was ended")


def _why_not(cursor: Cursor[Any], record_id: int, claim_number: int | None) -> str:
    owner = row_as(cursor.execute(sql("operators/why_not_ended"), {"record_id": record_id}), _Owner)
    if owner is None:
        return "it does not exist"
    if owner.status != "processing":
        return f"it is {owner.status}: no handler works on it"
    if claim_number is not None and owner.claim_number != claim_number:
        return f"its claim number is {owner.claim_number} now, not {claim_number}"
    if owner.run_state not in ("running", "stopping"):
        return "its run has ended: rescue gives the record back within seconds"
    if owner.end_record_id is not None:
        return (
            f"its process was already asked to end the handler of record {owner.end_record_id}: "
            "if the process does so, this record is given back, and no attempt is charged"
        )
    return "its process has ended: rescue gives the record back within seconds"
