"""The handler of a task's flow. Celery's own tracer runs the task's body, so that signals, requests and hooks work
as in Celery."""

import socket
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from celery import states
from celery._state import get_current_app
from celery.app.trace import build_tracer
from celery.exceptions import Retry, SoftTimeLimitExceeded
from celery.utils.time import maybe_make_aware

from queue_store.errors import PayloadRejectedError

from ..authoring.context import FlowContext
from ..authoring.retries import LONGEST_DELAY_SECONDS
from ..run_loop.exception_groups import decisive
from ..worker.time_limit import soft_limit
from .json_types import as_json, from_json
from .queues import flow_queue
from .refusals import refuse
from .task_ids import task_id_of


class Running:
    """A running record. The record's task finds this object in `self.request.durable`. `result`: the return value as it
    will be stored, or None. `max_retries`: the lowest limit that this attempt has passed to `retry()`, or None."""

    __slots__ = ("max_retries", "record_id", "result")

    def __init__(self, record_id: int) -> None:
        self.record_id = record_id
        self.result: Any = None
        self.max_retries: int | None = None


class TaskHandler:
    """A run calls this object once for each record that it processes, with the record's payload."""

    def __init__(self, app: Any, task: Any) -> None:
        self.app = app
        self.task = task
        self.__module__ = task.__module__
        self.__qualname__ = getattr(task, "__qualname__", type(task).__qualname__)
        # The limits are read here, because our worker applies them, and Celery's pool does not.
        self.hard_seconds: float | None = task.time_limit or app.conf.task_time_limit
        self.soft_seconds: float | None = task.soft_time_limit or app.conf.task_soft_time_limit
        self.hostname = f"celery@{socket.gethostname()}"
        self._retry: tuple[BaseException, float] | None = None

    @cached_property
    def trace(self) -> Callable[..., Any]:
        return build_tracer(self.task.name, self.task, hostname=self.hostname, app=self.app)

    @cached_property
    def queue(self) -> str:
        return flow_queue(self.app, name=self.task.name)

    def __call__(self, payload: Any, context: FlowContext) -> Any:
        self._retry = None
        said = _checked(from_json(context.record.encoded_payload, payload))
        running = Running(context.record_id)
        request = self._request(said, context, running)
        outer: Any = get_current_app()
        self.app.set_current()
        try:
            with self._soft_limit():
                traced = self.trace(request["id"], said["args"], said["kwargs"], request)
        finally:
            outer.set_current()
        self._settle(traced.info, traced.retval, said, context)
        return running.result

    def delay_after(self, error: BaseException) -> float | None:
        """Returns None if the task did not ask for a retry after this error."""
        return self._retry[1] if self._retry is not None and self._retry[0] is error else None

    def _soft_limit(self) -> Any:
        if self.soft_seconds is None:
            return nullcontext()
        return soft_limit(self.soft_seconds, SoftTimeLimitExceeded)

    def _request(self, said: dict[str, Any], context: FlowContext, running: Running) -> dict[str, Any]:
        record = context.record
        task_id = said.get("task_id") or task_id_of(record.id)
        headers = said.get("headers")
        return (headers or {}) | {
            "id": task_id,
            "task": self.task.name,
            "root_id": said.get("root_id") or task_id,
            "parent_id": said.get("parent_id"),
            "correlation_id": task_id,
            "headers": headers,
            "retries": record.retry_count,
            "hostname": self.hostname,
            "is_eager": False,
            "ignore_result": said.get("ignore_result", self.task.ignore_result),
            "timelimit": [self.hard_seconds, self.soft_seconds],
            "delivery_info": {
                "exchange": "",
                "routing_key": self.queue,
                "priority": record.priority,
                "redelivered": record.claim_number > 1,
            },
            "durable": running,
        }

    def _settle(self, info: Any, retval: Any, said: dict[str, Any], context: FlowContext) -> None:
        """If the task succeeded, enqueues the task that `link=` names. If the task failed or asked for a retry,
        raises the error that is stored for the attempt."""
        if info is None:
            if (link := said.get("link")) is not None:
                self._enqueue_link(link, retval, said, context)
        elif info.state == states.RETRY:
            self._want_retry(info.retval)
        elif info.state != states.IGNORED:
            raise info.retval

    def _want_retry(self, retry: Retry) -> None:
        error: BaseException = retry.exc if isinstance(retry.exc, BaseException) else retry
        self._retry = decisive(error), self._seconds(retry.when)
        raise error

    def _seconds(self, when: Any) -> float:
        if when is None:
            when = self.task.default_retry_delay
        if isinstance(when, datetime):
            when = (maybe_make_aware(when, self.app.timezone) - datetime.now(UTC)).total_seconds()
        if float(when) > LONGEST_DELAY_SECONDS:
            raise refuse(f"a retry after {float(when):.0f} s", "the longest delay is a year")
        return max(0.0, float(when))

    def _enqueue_link(
        self, link: dict[str, Any], retval: Any, said: dict[str, Any], context: FlowContext
    ) -> None:
        """Enqueue the linked task in the transaction that completes this record."""
        args = link["args"] if link["immutable"] else [retval, *link["args"]]
        task_id = said.get("task_id") or task_id_of(context.record_id)
        payload = {
            "args": args,
            "kwargs": link["kwargs"],
            "root_id": said.get("root_id") or task_id,
            "parent_id": task_id,
        }
        countdown = link.get("countdown")
        context.enqueue(
            link["task"],
            as_json(payload, "link"),
            priority=link.get("priority"),
            scheduled_at=timedelta(seconds=countdown) if countdown else None,
        )


def _checked(said: Any) -> dict[str, Any]:
    """Raises PayloadRejectedError for a payload that cannot come from a call of a task."""
    if not isinstance(said, dict):
        raise PayloadRejectedError("payload", 'is not the payload of a task: {"args": […], "kwargs": {…}}')
    args, kwargs = said.setdefault("args", []), said.setdefault("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise PayloadRejectedError("payload", "args must be a list, and kwargs an object")
    return said
