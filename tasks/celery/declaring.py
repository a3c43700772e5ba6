"""Converts a task's declaration into the declaration of its flow."""

import inspect
import math
from dataclasses import dataclass, fields
from typing import Any

from ..authoring.declaration import declare
from ..authoring.flow import Flow
from .durable_task import with_logged_errors
from .handler import TaskHandler
from .queues import flow_queue
from .refusals import refuse

WITHOUT_END = 1_000_000  # retries
MOST_DECLARED = 1_000
UNWRITTEN_SECONDS = 0.02  # how long an outcome may wait to be written if the task must not be repeated
REFUSED = {
    "rate_limit": "`queuectl tune` limits how many of its runs work at a time",
    "expires": "a record waits until it is processed; queuectl cancel cancels it",
    "serializer": "records hold JSON",
    "compression": "Postgres compresses large payloads on its own",
    "link": "pass link= in a call",
}


@dataclass(frozen=True, slots=True)
class TaskFlow(Flow):
    """A flow whose handler is a task. The task alone decides what is tried again, and when. So the weekly reset leaves
    its failed records as they are."""

    is_repeated_after_crash: bool = False

    @property
    def max_crash_strikes(self) -> int | None:
        return None if self.is_repeated_after_crash else 1

    @property
    def is_reset_weekly(self) -> bool:
        return False

    @property
    def needs_main_thread(self) -> bool:
        handler: TaskHandler = self.handler  # type: ignore[assignment]
        return handler.soft_seconds is not None

    @property
    def most_unwritten_seconds(self) -> float:
        return math.inf if self.is_repeated_after_crash else UNWRITTEN_SECONDS

    def retry_delay_seconds(self, failed_attempts: int, error: BaseException) -> float | None:
        handler: TaskHandler = self.handler  # type: ignore[assignment]
        return handler.delay_after(error)

    def retry_policy(self, error: BaseException) -> None:
        """Returns None, because exception classes do not decide whether a record is tried again."""


def check_declared(app: Any, name: str, function: Any, options: dict[str, Any]) -> None:
    """Raises NotDurableError for a declaration that a durable task cannot have."""
    configured = {"rate_limit": app.conf.task_default_rate_limit, "serializer": app.conf.task_serializer}
    for option, instead in REFUSED.items():
        value = options.get(option) or configured.get(option)
        if value and not (option == "serializer" and value == "json"):
            raise refuse(f"task {name}: {option}={value!r} is not supported", instead)
    if inspect.iscoroutinefunction(function):
        raise refuse(f"task {name} is an async def, whose body Celery never runs", "declare it with @flow")


def flow_of(app: Any, task: Any) -> Flow:
    """Raises FlowDeclarationError. Raises NotDurableError for an unsupported option that comes from annotations or from
    the task's base class."""
    for option in ("rate_limit", "expires"):
        if value := getattr(task, option, None):
            app.tasks.pop(task.name)
            raise refuse(f"task {task.name}: {option}={value!r} is not supported", REFUSED[option])
    retries = [task.max_retries, (getattr(task, "retry_kwargs", None) or {}).get("max_retries", 0)]
    most = WITHOUT_END if None in retries else max(retries)
    task.most_retries = most
    task.backend = app.durable_backend
    task.on_retry = with_logged_errors(task.on_retry)
    handler = TaskHandler(app, task)
    options: dict[str, Any] = {
        "name": task.name,
        "queue": flow_queue(app, name=task.name),
        "max_retries": min(most, MOST_DECLARED),
        "time_limit_seconds": handler.hard_seconds,
        "express": getattr(task, "express", None),
    }
    flow = declare(handler, options)
    declared = {field.name: getattr(flow, field.name) for field in fields(flow)}
    is_repeated = bool(task.acks_late) or app.on_crash == "repeat"
    return TaskFlow(**declared | {"max_retries": most, "is_repeated_after_crash": is_repeated})
