"""The options of a call. Each option is kept or refused, or it is ignored if it has no meaning for a record. An unknown
option is refused, unless its value is empty (None, False, 0 or an empty container)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery.utils.time import maybe_make_aware
from dateutil.parser import isoparse

from .refusals import refuse
from .task_ids import record_id_of

# These options are ignored, because they matter only if a message is sent. `_check_publishing` still refuses an
# exchange, and a serializer other than JSON.
WITHOUT_MEANING = frozenset(
    {"producer", "publisher", "connection", "router", "retry", "retry_policy", "result_cls", "task_type",
     "add_to_parent", "delivery_mode", "immediate", "mandatory", "exchange", "routing_key", "serializer"}
)  # fmt: skip
KEPT = frozenset(
    {"countdown", "eta", "task_id", "priority", "queue", "headers", "link", "ignore_result", "root_id", "parent_id",
     "time_limit", "soft_time_limit"}
)  # fmt: skip
LIMITS = ("time_limit", "soft_time_limit")
REFUSED = {
    "chord": "let the last task find out that it is the last one, for instance by counting rows",
    "chain": "let each task call the next one, or pass link=",
    "group_id": "call the tasks one after the other in one transaction: they are enqueued together",
    "group_index": "call the tasks one after the other in one transaction: they are enqueued together",
    "expires": "a record waits until it is processed; queuectl cancel cancels it",
    "link_error": "catch the error in the task, or connect to the signal task_failure",
    "compression": "Postgres compresses large payloads on its own",
    "replaced_task_nesting": "self.replace() is not supported: call the task that would replace this one",
    "stamped_headers": "pass headers=",
    "shadow": "a record has the name of its task",
    "route_name": "declare the queue at the task",
    "reply_to": "read the result with AsyncResult",
}


@dataclass(slots=True)
class CallOptions:
    """The options that a call of a task sets for its record."""

    task_id: str | None = None
    priority: int | None = None
    scheduled_at: datetime | timedelta | None = None
    queue: Any = None
    headers: dict[str, Any] | None = None
    link: Any = None
    ignore_result: bool | None = None  # None: as the task declares
    root_id: str | None = None
    parent_id: str | None = None


def checked(app: Any, name: str, given: dict[str, Any]) -> CallOptions:
    """Raises NotDurableError for an option that is refused or unknown."""
    said = {option: value for option, value in given.items() if _says_something(value)}
    # Celery itself sets `reply_to` in `freeze()`, for example for the only task of a chain. The caller did not pass
    # this option, so it is not refused.
    if said.get("reply_to") == app.thread_oid:
        del said["reply_to"]
    if refused := next((option for option in REFUSED if option in said), None):
        raise refuse(f"{name}: {refused} is not supported", REFUSED[refused])
    for option in said:
        if option not in KEPT and option not in WITHOUT_MEANING:
            raise refuse(f"{name}: there is no option {option}", f"there are {', '.join(sorted(KEPT))}")
    _check_publishing(name, said)
    check_task_id(name, said.get("task_id"))
    _check_declared(app, name, said)
    return CallOptions(
        task_id=said.get("task_id"),
        priority=given.get("priority"),
        scheduled_at=_due(app, given.get("countdown"), given.get("eta")),
        queue=said.get("queue"),
        headers=said.get("headers"),
        link=said.get("link"),
        ignore_result=_ignored(app, name, given.get("ignore_result")),
        root_id=said.get("root_id"),
        parent_id=said.get("parent_id"),
    )


def check_task_id(name: str, task_id: Any) -> None:
    """Raises NotDurableError for an id that carries the id of a record. Otherwise, the task would have the state and
    the result of that record, and `revoke()` would cancel that record."""
    if task_id is not None and record_id_of(task_id) is not None:
        raise refuse(
            f"{name}: task_id={task_id!r}",
            "this id has the form of a record's id; pass an id of your own, or none",
        )


def _ignored(app: Any, name: str, value: Any) -> bool | None:
    """Returns None if the call does not override the declaration. Celery adds the declared value to each call. So if
    False is declared, a False in the call may be Celery's, and overrides nothing."""
    if value is None or (not value and getattr(app.tasks.get(name), "ignore_result", None) is False):
        return None
    return bool(value)


def _says_something(value: Any) -> bool:
    return not (value is None or value is False or value == 0 or value in ([], (), {}))


def _check_publishing(name: str, said: dict[str, Any]) -> None:
    if said.get("serializer", "json") != "json":
        raise refuse(f"{name}: serializer {said['serializer']!r} is not supported", "records hold JSON")
    if exchange := said.get("exchange"):
        raise refuse(
            f"{name}: exchange {exchange!r} is not supported",
            "a call writes a record and sends it to no exchange; declare the task's queue by @app.task(queue=…) or "
            "task_routes",
        )
    headers = said.get("headers")
    if headers is not None and not isinstance(headers, dict):
        raise refuse(f"{name}: headers", f"must be a dictionary, not {type(headers).__name__}")


def _check_declared(app: Any, name: str, said: dict[str, Any]) -> None:
    """Raises NotDurableError if a call names another queue or other limits than the task declares. All records
    of a flow have the same queue and the same limits, whoever enqueues them."""
    app.check_queue(name, said.get("queue"))
    for option, declared in zip(LIMITS, _declared_limits(app.tasks.get(name)), strict=True):
        if option in said and said[option] != declared:
            raise refuse(f"{name}: {option}={said[option]!r} in a call", f"declare it: @app.task({option}=…)")


def _declared_limits(task: Any) -> tuple[Any, Any]:
    """A worker of this queue removes the limits from the task, and keeps what was declared in `declared_limits`."""
    declared: tuple[Any, Any] | None = getattr(task, "declared_limits", None)
    return declared or (getattr(task, "time_limit", None), getattr(task, "soft_time_limit", None))


def _due(app: Any, countdown: Any, eta: Any) -> datetime | timedelta | None:
    if countdown:
        return timedelta(seconds=max(0.0, float(countdown)))
    if not eta:
        return None
    if isinstance(eta, str):
        eta = isoparse(eta)
    if not isinstance(eta, datetime):
        raise refuse("eta", f"must be a datetime, not {type(eta).__name__}")
    return maybe_make_aware(eta, app.timezone)
