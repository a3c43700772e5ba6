"""Converts a task and its arguments into the payload of a record, and back.

    {"args": [17], "kwargs": {"copies": 2}}

The payload also holds what `using()` changed, so that the result shows the task as it was enqueued. A producer in SQL
may leave out empty `args` or `kwargs`.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.module_loading import import_string

from ..exceptions import PermanentError
from .task_library import InvalidTask, Task

DEFAULT_PRIORITY = 5  # The default priority of a record.
# The number of task priorities that map to one record priority: _ABOVE for task priorities above 0, _BELOW for those
# below 0.
_ABOVE, _BELOW = 20, 25


def record_priority(priority: int) -> int:
    """Converts the priority of a task into the priority of a record. Tasks have priorities from -100 to 100, and larger
    ones come first. Records have priorities from 0 to 9, and smaller ones come first. The priority 0 of a task becomes
    the priority 5 of a record."""
    if priority > 0:
        return DEFAULT_PRIORITY + -priority // _ABOVE
    return DEFAULT_PRIORITY - priority // _BELOW


def aware(instant: datetime) -> datetime:
    """Adds Django's current time zone to a naive instant. By default, the current time zone is that of the setting
    TIME_ZONE. Without USE_TZ, instants are naive."""
    return timezone.make_aware(instant) if timezone.is_naive(instant) else instant


def named_task(module_path: str) -> Any:
    """The task with this path, as it was declared. Raises InvalidTask."""
    try:
        found = import_string(module_path)
    except ImportError as error:
        raise InvalidTask(f"{module_path} cannot be imported: {error}") from None
    if not isinstance(found, Task) or found.module_path != module_path:
        raise InvalidTask(
            f"a worker finds this task by the name {module_path}, which names something else: give the task the name "
            "of its function"
        )
    return found


def flow_name(task: Any) -> str:
    """The path of the task. If `using()` chose a queue other than the declared one, the flow name ends with the name of
    the chosen queue."""
    declared = named_task(task.module_path)
    if task.queue_name == declared.queue_name:
        return str(task.module_path)
    return f"{task.module_path}-{task.queue_name}"


def payload_of(task: Any, result: Any) -> dict[str, Any]:
    """The payload of a task. `result` holds the arguments as plain values."""
    declared = named_task(task.module_path)
    changes: dict[str, Any] = {"args": result.args, "kwargs": result.kwargs}
    if task.priority != declared.priority:
        changes["priority"] = task.priority
    if task.queue_name != declared.queue_name:
        changes["queue_name"] = task.queue_name
    if task.run_after is not None:
        changes["run_after"] = task.run_after.isoformat()
    return changes


def arguments_of(payload: Any) -> tuple[list[Any], dict[str, Any]]:
    """Returns args and kwargs. Raises PermanentError for a wrong payload, because another attempt would not help."""
    payload = {} if payload is None else payload
    args = payload.get("args", []) if isinstance(payload, dict) else None
    kwargs = payload.get("kwargs", {}) if isinstance(payload, dict) else None
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise PermanentError('the payload of a task must be {"args": [...], "kwargs": {...}}')
    return args, kwargs


def task_of(flow_name: str, payload: Any, alias: str) -> Any:
    """The task as it was enqueued. Raises InvalidTask if the task no longer exists, or never existed."""
    changes = {
        name: payload[name]
        for name in ("priority", "queue_name", "run_after")
        if isinstance(payload, dict) and name in payload
    }
    if "run_after" in changes:
        changes["run_after"] = parse_datetime(changes["run_after"])
    return replace(named_task(flow_name.partition("-")[0]), backend=alias, **changes)
