"""The actions of the page: the operators' arrows. Each answers how many records it changed, and says it in a
sentence."""

from collections.abc import Callable
from typing import Any

from queue_store.alerting import alerts
from queue_store.operators.dry_run import WouldChange, would_cancel, would_reset
from queue_store.operators.ends import ask_to_end
from queue_store.operators.operators import Operators
from queue_store.operators.unknown_flows import check_movable, check_no_flow
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.records import find_ids
from queue_store.records.record import STATUSES

from .arguments import Arguments, BadInputError
from .database import page_database, reading
from .record_search import SEARCHED_FOR, filter_of

Action = Callable[[Arguments, str], dict[str, Any]]
MATCHES_AT_MOST = 10_000
NOT_RESET = "are not failed or have a live twin"
NOT_MOVED = "stay, because unfinished records of that flow have their dedup_key"
NOT_CANCELLED = "are finished or do not exist"
ON_THE_LINE = {"failed": "reset", "pending": "cancel"}


def reset(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Reset the records with these ids, all with one kind of error, or all failed ones that a search finds."""
    ids, search = _meant(arguments, "failed")
    if arguments.switch("dry_run"):
        with reading(replica=False) as cursor:
            would = would_reset(cursor, ids)
        return _answer(would, "failed record(s) would be tried again", "", NOT_RESET)
    done = _operators().reset(ids, actor=actor, search=search)
    counts = WouldChange(len(done.reset_ids), 0, len(done.skipped_ids))
    return _answer(counts, "record(s) are pending again", "", NOT_RESET)


def cancel(arguments: Arguments, actor: str) -> dict[str, Any]:
    ids, search = _meant(arguments, "pending")
    if arguments.switch("dry_run"):
        with reading(replica=False) as cursor:
            would = would_cancel(cursor, ids)
        return _answer(
            would, "record(s) would be cancelled", "are running and would be asked to stop", NOT_CANCELLED
        )
    done = _operators().cancel(ids, actor=actor, reason=arguments.text("reason"), search=search)
    counts = WouldChange(len(done.cancelled_ids), len(done.asked_ids), len(done.skipped_ids))
    return _answer(counts, "record(s) cancelled", "are running and were asked to stop", NOT_CANCELLED)


def end(arguments: Arguments, actor: str) -> dict[str, Any]:
    """End the handler of one record, under the claim that the page showed."""
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
    return _said(len(changed), "pending record(s) have the new priority")


def purge(arguments: Arguments, actor: str) -> dict[str, Any]:
    purged = _operators().purge_records(arguments.ids() or [], actor=actor)
    return _said(len(purged), "finished record(s) are gone, with their attempts")


def move(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Move the pending and failed records of a name that is not a flow to a flow. A dry run may leave out
    `to_flow`."""
    name, to_flow = arguments.needed_text("flow"), arguments.text("to_flow")
    pending, failed = _movable(name, to_flow)
    if arguments.switch("dry_run"):
        text = f"{pending} pending and {failed} failed record(s) of {name} would be moved."
        return {"affected": pending + failed, "counts": {"asked": 0, "skipped": 0}, "text": text}
    done = _operators().move(name, arguments.needed_text("to_flow"), actor=actor)
    counts = WouldChange(len(done.pending_ids) + len(done.failed_ids), 0, len(done.skipped_ids))
    return _answer(counts, f"record(s) moved to {to_flow}", "", NOT_MOVED)


def pause(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    paused = _operators().pause(name, actor=actor, reason=arguments.text("reason"))
    return _said(
        len(paused), f"flow(s) paused: {name}" if paused else f"flow(s) changed: {name} was paused already"
    )


def resume(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    resumed = _operators().resume(name, actor=actor)
    return _said(
        len(resumed), f"flow(s) resumed: {name}" if resumed else f"flow(s) changed: {name} was not paused"
    )


def acknowledge(arguments: Arguments, actor: str) -> dict[str, Any]:
    with page_database().transaction() as cursor:
        done = alerts.acknowledge(cursor, arguments.needed_whole("alert", 1), actor)
    return _said(
        int(done),
        "alert acknowledged" if done else "alerts changed: already resolved or acknowledged",
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


def _movable(name: str, to_flow: str | None) -> tuple[int, int]:
    """How many are pending and failed. Raises UnknownFlowError, RegisteredFlowError, BadInputError for too many."""
    with reading(replica=False) as cursor:
        if to_flow is None:
            check_no_flow(cursor, name)
        else:
            check_movable(cursor, name, to_flow)
        found = next((f for f in read_flow_counts(cursor) if f.flow_name == name), None)
    pending, failed = (found.pending, found.failed) if found else (0, 0)
    if pending + failed > MATCHES_AT_MOST:
        raise BadInputError(f"more than {MATCHES_AT_MOST} records: use queuectl move {name} FLOW")
    return pending, failed


def _operators() -> Operators:
    return Operators(page_database())


def _meant(arguments: Arguments, status: str) -> tuple[list[int], dict[str, str]]:
    """The ids, and what was searched for, where they were not chosen one by one."""
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


def _answer(counts: WouldChange, changed: str, asked: str, skipped: str) -> dict[str, Any]:
    more = [(counts.asked_count, asked), (counts.skipped_count, skipped)]
    text = "; ".join([f"{counts.changed_count} {changed}", *(f"{n} {what}" for n, what in more if n)])
    return {
        "affected": counts.changed_count,
        "counts": {"asked": counts.asked_count, "skipped": counts.skipped_count},
        "text": text + ".",
    }


def _said(count: int, what: str) -> dict[str, Any]:
    return {"affected": count, "text": f"{count} {what}."}
