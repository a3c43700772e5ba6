"""The actions of the page. Each action calls one of the operators' functions, and returns the number of changed rows
and a text that describes the result. A dry run changes nothing, and returns what would be changed."""

from collections.abc import Callable
from typing import Any

from queue_store.alerting import alerts
from queue_store.operators.dry_run import WouldChange, WouldMove, would_cancel, would_move, would_reset
from queue_store.operators.ends import ask_to_end
from queue_store.operators.operators import Operators
from queue_store.operators.unknown_flows import check_movable, check_no_flow
from queue_store.plural import plural, word
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.records import find_ids
from queue_store.records.record import STATUSES

from .arguments import Arguments, BadInputError
from .database import page_database, reading
from .record_search import SEARCHED_FOR, filter_of

Action = Callable[[Arguments, str], dict[str, Any]]
Words = tuple[str, str]  # the words for a count of one, and for all other counts
MATCHES_AT_MOST = 10_000
NOTHING = ("", "")
NOT_RESET = (
    "is not failed, or another record has its dedup_key",
    "are not failed, or other records have their dedup_key",
)
NOT_MOVED = (
    "stays, because an unfinished record of that flow has its dedup_key",
    "stay, because unfinished records of that flow have their dedup_key",
)
NOT_CANCELLED = ("is finished or does not exist", "are finished or do not exist")
NOT_PENDING = ("is locked or no longer pending", "are locked or no longer pending")
ON_THE_LINE = {"failed": "reset", "pending": "cancel"}


def reset(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Reset the records with these ids, all records with one kind of error, or all failed records that a search
    finds."""
    ids, search = _meant(arguments, "failed")
    if arguments.switch("dry_run"):
        with reading(replica=False) as cursor:
            would = would_reset(cursor, ids)
        return _answer(would, _records("failed", "would be tried again"), NOTHING, NOT_RESET)
    done = _operators().reset(ids, actor=actor, search=search)
    counts = WouldChange(len(done.reset_ids), 0, len(done.skipped_ids))
    return _answer(counts, ("record is pending again", "records are pending again"), NOTHING, NOT_RESET)


def cancel(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Cancel the records with these ids, or all pending records that a search finds. If the browser sent the id of a
    processing record, this record is asked to stop. If a worker has claimed a record since the search, the record is
    skipped."""
    ids, search = _meant(arguments, "pending")
    pending_only = bool(search)
    skipped = NOT_PENDING if pending_only else NOT_CANCELLED
    if arguments.switch("dry_run"):
        with reading(replica=False) as cursor:
            would = would_cancel(cursor, ids, pending_only=pending_only)
        asked = "is running and would be asked to stop", "are running and would be asked to stop"
        return _answer(would, _records("", "would be cancelled"), asked, skipped)
    reason = arguments.text("reason")
    done = _operators().cancel(ids, actor=actor, reason=reason, search=search, pending_only=pending_only)
    counts = WouldChange(len(done.cancelled_ids), len(done.asked_ids), len(done.skipped_ids))
    asked = "is running and was asked to stop", "are running and were asked to stop"
    return _answer(counts, _records("", "cancelled"), asked, skipped)


def end(arguments: Arguments, actor: str) -> dict[str, Any]:
    """End the handler of one record, but only if the record still has the claim that the page showed."""
    record_id, claim_number = arguments.needed_whole("id", 1), arguments.needed_whole("claim", 1, 2**31 - 1)
    reason = arguments.text("reason")
    result = ask_to_end(page_database(), [record_id], actor=actor, reason=reason, claim_number=claim_number)
    if not result.asked:
        return {"affected": 0, "text": f"Nothing was ended: {result.refused[record_id]}."}
    asked = result.asked[0]
    text = f"Process {asked.pid} on {asked.hostname} was asked to end the handler. It answers within seconds."
    return {"affected": 1, "text": text}


def change_priority(arguments: Arguments, actor: str) -> dict[str, Any]:
    ids = arguments.ids() or []
    changed = _operators().change_priority(ids, arguments.needed_whole("priority", 0, 9), actor=actor)
    return _said(
        len(changed), ("pending record has the new priority", "pending records have the new priority")
    )


def purge(arguments: Arguments, actor: str) -> dict[str, Any]:
    purged = _operators().purge_records(arguments.ids() or [], actor=actor)
    return _said(
        len(purged),
        (
            "finished record was purged, with its attempts",
            "finished records were purged, with their attempts",
        ),
    )


def move(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Move the pending and failed records of an unregistered flow name to the registered flow `to_flow`. A pending
    record stays if an unfinished record of `to_flow` has the same dedup_key. A dry run needs no `to_flow`, but without
    `to_flow` it cannot say which records would stay."""
    name, to_flow = arguments.needed_text("flow"), arguments.text("to_flow")
    would = _movable(name, to_flow)
    if arguments.switch("dry_run"):
        movable = (
            f"{would.pending} pending and {plural(would.failed, 'failed record')} of {name} would be moved"
        )
        stays = f"; {would.skipped} {word(would.skipped, *NOT_MOVED)}" if would.skipped else ""
        return {
            "affected": would.pending + would.failed,
            "counts": {"asked": 0, "skipped": would.skipped},
            "text": f"{movable}{stays}.",
        }
    done = _operators().move(name, arguments.needed_text("to_flow"), actor=actor)
    counts = WouldChange(len(done.pending_ids) + len(done.failed_ids), 0, len(done.skipped_ids))
    return _answer(counts, _records("", f"moved to {to_flow}"), NOTHING, NOT_MOVED)


def pause(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    paused = _operators().pause(name, actor=actor, reason=arguments.text("reason"))
    return _said(len(paused), _flows(f"paused: {name}" if paused else f"changed: {name} was paused already"))


def resume(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    resumed = _operators().resume(name, actor=actor)
    return _said(len(resumed), _flows(f"resumed: {name}" if resumed else f"changed: {name} was not paused"))


def acknowledge(arguments: Arguments, actor: str) -> dict[str, Any]:
    with page_database().transaction() as cursor:
        done = alerts.acknowledge(cursor, arguments.needed_whole("alert", 1), actor)
    return _said(
        int(done), ("alert acknowledged", "alerts changed: this alert was already resolved or acknowledged")
    )


ACTIONS: dict[str, Action] = {
    "reset": reset,
    "cancel": cancel,
    "end": end,
    "priority": change_priority,
    "purge": purge,
    "move": move,
    "pause": pause,
    "resume": resume,
    "acknowledge": acknowledge,
}


def _movable(name: str, to_flow: str | None) -> WouldMove:
    """Returns how many records with this flow name a move would take, and how many would stay. Raises UnknownFlowError
    if `to_flow` is not a registered flow, or if no record has the name. Raises RegisteredFlowError if the name is a
    registered flow, and BadInputError for too many records."""
    with reading(replica=False) as cursor:
        if to_flow is None:
            check_no_flow(cursor, name)
        else:
            check_movable(cursor, name, to_flow)
        found = next(iter(read_flow_counts(cursor, name)), None)
        if found and found.pending + found.failed > MATCHES_AT_MOST:
            raise BadInputError(f"more than {MATCHES_AT_MOST} records: use queuectl move {name} FLOW")
        return would_move(cursor, name, to_flow)


def _operators() -> Operators:
    return Operators(page_database())


def _meant(arguments: Arguments, status: str) -> tuple[list[int], dict[str, str]]:
    """Returns the ids of the records that the action is for. Also returns a dictionary with the search or the kind of
    error that selected the records. The dictionary is empty if the browser sent the ids."""
    given = arguments.ids()
    if given is not None:
        return given, {}
    group = arguments.text("error_group")
    if group is not None:
        return _operators().find_failed_of_group(group), {"error_group": group}
    if arguments.choice("status", STATUSES) != status:
        raise BadInputError(f"status must be {status}: the action is for {status} records only")
    with reading(replica=False) as cursor:
        ids = find_ids(cursor, filter_of(arguments), MATCHES_AT_MOST + 1)
    if len(ids) > MATCHES_AT_MOST:
        raise BadInputError(
            f"more than {MATCHES_AT_MOST} records match: narrow the search, or use queuectl {ON_THE_LINE[status]}"
        )
    return ids, {name: text for name in SEARCHED_FOR if (text := arguments.text(name)) is not None}


def _answer(counts: WouldChange, changed: Words, asked: Words, skipped: Words) -> dict[str, Any]:
    more = [(counts.asked_count, asked), (counts.skipped_count, skipped)]
    told = [(counts.changed_count, changed), *((n, words) for n, words in more if n)]
    text = "; ".join(f"{n} {word(n, *words)}" for n, words in told)
    return {
        "affected": counts.changed_count,
        "counts": {"asked": counts.asked_count, "skipped": counts.skipped_count},
        "text": text + ".",
    }


def _said(count: int, words: Words) -> dict[str, Any]:
    return {"affected": count, "text": f"{count} {word(count, *words)}."}


def _records(kind: str, what: str) -> Words:
    return f"{kind} record {what}".lstrip(), f"{kind} records {what}".lstrip()


def _flows(what: str) -> Words:
    return f"flow {what}", f"flows {what}"
