"""Refuses a call of a plain task if no worker could carry out the rest of its canvas. Otherwise the message would be
sent, and the rest would be lost."""

import inspect
from collections import UserList
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from celery.backends.base import Backend
from celery.utils.functional import arity_greater

from .options import check_task_id, checked
from .payloads import link_of
from .refusals import refuse

CELERYS_OWN = "celery.*"
CLEAN_UP = "celery.backend_cleanup"  # sent by beat if the results of plain tasks do not expire on their own
PARTS = {"celery.chain": ("tasks",), "celery.group": ("tasks",), "celery.chord": ("header", "body")}
INSTEAD = "our workers run none of Celery's own tasks; call the task once for each of its arguments"
CHORD_INSTEAD = "our workers run none of Celery's own tasks; chords need a result_backend such as Redis"


def check_message(app: Any, name: str, said: dict[str, Any]) -> None:
    """Raises NotDurableError if our workers would throw the message away, or if they could not carry out its chain,
    chord, link or link_error. A canvas that another thread or process froze is not checked again."""
    if fnmatchcase(name, CELERYS_OWN) and (name != CLEAN_UP or app.durable == ("*",)):
        raise _celerys_own(name)
    check_task_id(name, said.get("task_id"))
    if said.get("reply_to") in (None, app.thread_oid):
        _check_options(app, said)


def _celerys_own(name: str) -> Exception:
    return refuse(f"{name} is not supported", CHORD_INSTEAD if name.endswith("chord_unlock") else INSTEAD)


def _check_options(app: Any, options: Mapping[str, Any]) -> None:
    for option in ("chain", "chord"):
        for signature in _signatures(options.get(option)):
            _check_part(app, signature)
    for signature in _signatures(options.get("link_error")):
        if not _is_called_inline(app, signature):
            _check_part(app, signature)
    links = list(_signatures(options.get("link")))
    if len(links) == 1 and app.is_durable(links[0]["task"]):
        _check_link(app, links[0])
        return
    for signature in links:
        _check_part(app, signature)


def _check_part(app: Any, signature: Mapping[str, Any]) -> None:
    """Refuses a part that our workers could not carry out. A durable task is refused, too, because the worker of the
    preceding task would call it with options that durable tasks refuse."""
    name = signature["task"]
    if app.is_durable(name):
        raise refuse(
            f"a chain, a chord, several links or a link_error with {name}",
            "this task is durable; let the preceding task call it, or pass only this task as link=",
        )
    if name == "celery.chord" and _needs_unlock(app):
        raise _celerys_own("celery.chord_unlock")
    if fnmatchcase(name, CELERYS_OWN) and name not in PARTS:
        raise _celerys_own(name)
    for key in PARTS.get(name, ()):
        for part in _signatures((signature.get("kwargs") or {}).get(key)):
            _check_part(app, part)
    _check_options(app, signature.get("options") or {})


def _check_link(app: Any, signature: Mapping[str, Any]) -> None:
    """If a plain task has only one link, its worker calls the linked durable task like any other caller."""
    name, options = signature["task"], signature.get("options") or {}
    if options.get("reply_to"):
        raise refuse(f"a link to {name} that is frozen", "pass a new signature")
    if (link := checked(app, name, dict(options)).link) is not None:
        link_of(app, link)


def _is_called_inline(app: Any, signature: Mapping[str, Any]) -> bool:
    """Whether Celery itself calls the function of this errback, with the request, the error and the traceback, and
    sends no message."""
    header = getattr(app.tasks.get(signature["task"]), "__header__", None)
    if header is None or isinstance(header, partial):
        return False
    if not arity_greater(header, 1):
        return False
    args, kwargs = signature.get("args") or (), signature.get("kwargs") or {}
    return bool(signature.get("immutable")) or not (args or kwargs) or _takes(header, 3, args, kwargs)


def _takes(function: Any, more: int, args: Iterable[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether the function accepts `more` positional arguments, followed by the arguments of the Celery signature."""
    try:
        inspect.signature(function).bind(*[None] * more, *args, **kwargs)
    except TypeError:
        return False
    return True


def _needs_unlock(app: Any) -> bool:
    """Whether the result backend needs the task celery.chord_unlock to see that the tasks of a chord have ended."""
    return getattr(app.backend.apply_chord, "__func__", None) is Backend.apply_chord


def _signatures(value: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        return [value] if isinstance(value.get("task"), str) else []
    if isinstance(value, list | tuple | UserList):
        return [signature for one in value for signature in _signatures(one)]
    return []
