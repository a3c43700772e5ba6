"""What can be done from the page: the operators' arrows. Each answers how many it was, and in a sentence what."""

from collections.abc import Callable
from typing import Any

from queue_store import alerts
from queue_store.operators import Operators
from tasks.queue_page.arguments import STATUSES, Arguments, BadInputError
from tasks.queue_page.database import page_database, reading
from tasks.queue_page.views.records import every_id_of, filter_of

Action = Callable[[Arguments, str], dict[str, Any]]
MATCHES_AT_MOST = 10_000


def reset(arguments: Arguments, actor: str) -> dict[str, Any]:
    """Of ids, of all of one kind of error, or of all failed ones that a search finds."""
    ids = _ids(arguments, "failed")
    if arguments.switch("dry_run"):
        return _answer(len(ids), "failed record(s) would be tried again")
    done = _operators().reset(ids, actor=actor)
    skipped = (
        f"; {len(done.skipped_ids)} were not failed any more or have a live twin" if done.skipped_ids else ""
    )
    return _answer(len(done.reset_ids), f"record(s) are pending again{skipped}")


def cancel(arguments: Arguments, actor: str) -> dict[str, Any]:
    ids = _ids(arguments, "pending")
    if arguments.switch("dry_run"):
        return _answer(len(ids), "record(s) would be cancelled")
    done = _operators().cancel(ids, actor=actor, reason=arguments.text("reason"))
    asked = f"; {len(done.asked_ids)} are running and were asked to stop" if done.asked_ids else ""
    skipped = f"; {len(done.skipped_ids)} were finished before" if done.skipped_ids else ""
    return _answer(len(done.cancelled_ids), f"record(s) cancelled{asked}{skipped}")


def change_priority(arguments: Arguments, actor: str) -> dict[str, Any]:
    ids = arguments.ids() or []
    changed = _operators().change_priority(ids, arguments.needed_whole("priority", 0, 9), actor=actor)
    return _answer(len(changed), "pending record(s) have the new priority")


def purge(arguments: Arguments, actor: str) -> dict[str, Any]:
    purged = _operators().purge_records(arguments.ids() or [], actor=actor)
    return _answer(len(purged), "finished record(s) are gone, with their attempts")


def pause(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    paused = _operators().pause(name, actor=actor, reason=arguments.text("reason"))
    return _answer(
        len(paused), f"flow(s) paused: {name}" if paused else f"flow(s) changed: {name} was paused before"
    )


def resume(arguments: Arguments, actor: str) -> dict[str, Any]:
    name = arguments.needed_text("flow")
    resumed = _operators().resume(name, actor=actor)
    return _answer(
        len(resumed), f"flow(s) resumed: {name}" if resumed else f"flow(s) changed: {name} was open"
    )


def acknowledge(arguments: Arguments, actor: str) -> dict[str, Any]:
    with page_database().transaction() as cursor:
        done = alerts.acknowledge(cursor, arguments.needed_whole("alert", 1), actor)
    return _answer(
        int(done),
        "alert acknowledged" if done else "alerts changed: it is resolved or somebody did so before",
    )


ACTIONS: dict[str, Action] = {
    "reset": reset,
    "cancel": cancel,
    "priority": change_priority,
    "purge": purge,
    "pause": pause,
    "resume": resume,
    "acknowledge": acknowledge,
}


def _operators() -> Operators:
    return Operators(page_database())


def _ids(arguments: Arguments, status: str) -> list[int]:
    given = arguments.ids()
    if given is not None:
        return given
    group = arguments.text("error_group")
    if group is not None:
        return _operators().find_failed_of_group(group)
    if arguments.choice("status", STATUSES) != status:
        raise BadInputError(f"status must be {status}: the action is for {status} records only")
    with reading() as cursor:
        return every_id_of(cursor, filter_of(arguments), MATCHES_AT_MOST)


def _answer(count: int, what: str) -> dict[str, Any]:
    return {"affected": count, "text": f"{count} {what}."}
