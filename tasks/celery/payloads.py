"""The payload of a task's record: `{"args": […], "kwargs": {…}}`, and further keys for options that were given."""

from collections.abc import Mapping, Sequence
from typing import Any

from celery.canvas import maybe_signature

from .json_types import as_json
from .options import CallOptions
from .refusals import refuse

LINK_OPTIONS = frozenset({"queue", "priority", "countdown"})


def payload_of(app: Any, args: Any, kwargs: Any, options: CallOptions) -> dict[str, Any]:
    """Raises NotDurableError, PayloadRejectedError."""
    if not isinstance(args or (), list | tuple) or not isinstance(kwargs or {}, dict):
        raise TypeError("args must be a list or a tuple, and kwargs a dictionary")
    payload: dict[str, Any] = {"args": list(args or ()), "kwargs": dict(kwargs or {})}
    said = {
        "task_id": options.task_id,
        "headers": options.headers,
        "root_id": options.root_id,
        "parent_id": options.parent_id,
        "ignore_result": options.ignore_result,
        "link": None if options.link is None else link_of(app, options.link),
    }
    payload |= {name: value for name, value in said.items() if value is not None}
    return as_json(payload, "task")


def link_of(app: Any, link: Any) -> dict[str, Any]:
    """The task that `link=` names, which is enqueued when the called task has succeeded. Raises NotDurableError."""
    if isinstance(link, Sequence) and not isinstance(link, str):
        if len(link) != 1:
            raise refuse(
                "link takes one task", f"this call names {len(link)}; let the first one call the others"
            )
        link = link[0]
    signature = maybe_signature(link, app=app)
    if not isinstance(signature, Mapping) or signature.get("subtask_type"):
        raise refuse("link takes the signature of one task", "chains, groups and chords are not supported")
    if not app.is_durable(signature["task"]):
        raise refuse(f"link names {signature['task']}", "it must be a durable task of this application")
    said = {name: value for name, value in (signature["options"] or {}).items() if value is not None}
    if strange := set(said) - LINK_OPTIONS:
        raise refuse(f"link with {', '.join(sorted(strange))}", f"it takes {', '.join(sorted(LINK_OPTIONS))}")
    app.check_queue(signature["task"], said.pop("queue", None))
    return {
        "task": signature["task"],
        "args": list(signature["args"] or ()),
        "kwargs": dict(signature["kwargs"] or {}),
        "immutable": bool(signature.get("immutable")),
        **said,
    }
