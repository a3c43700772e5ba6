"""The handler of a task's flow. It calls the task with the arguments from the record, and sends Django's signals."""

from dataclasses import dataclass
from inspect import iscoroutinefunction
from traceback import format_exception
from typing import Any

from asgiref.sync import sync_to_async
from django.utils import timezone

from ..authoring.context import FlowContext
from ..exceptions import PermanentError
from .record_connections import async_connections_of_a_record, connections_of_a_record
from .results import previous_attempts, running_result
from .task_library import TaskContext, TaskError, TaskResultStatus, normalize_json, signals


class UnsupportedResultError(PermanentError, TypeError):
    """A task returned a value that is not JSON. Another attempt would not help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordContext(TaskContext):
    """The context that a task with `takes_context=True` receives. Through `flow_context`, the task reports
    progress and asks whether it should stop."""

    flow_context: FlowContext


class TaskFlow:
    """The functions of one task's flow. `database`: the alias of the queue's database."""

    def __init__(self, task: Any, database: str, sender: type) -> None:
        self._task = task
        self._database = database
        self._sender = sender
        self.is_async = iscoroutinefunction(task.func)

    def handler(self) -> Any:
        """Returns the function that a run calls with the payload and the context of a record."""
        handler = self._async_handler() if self.is_async else self._plain_handler()
        handler.__module__ = self._task.func.__module__
        handler.__qualname__ = self._task.func.__qualname__
        return handler

    def failed_hook(self) -> Any:
        """Returns the function that sends Django's signal `task_finished` when a task has failed for good."""
        return self._async_failed() if self.is_async else self._plain_failed()

    def _plain_handler(self) -> Any:
        def handler(payload: Any, context: FlowContext) -> Any:
            with connections_of_a_record():
                result = running_result(self._task, context, previous_attempts(self._database, context))
                signals().task_started.send(self._sender, task_result=result)
                returned = plain_value(self._task.func(*self._arguments(result, context), **result.kwargs))
                _finish(result, TaskResultStatus.SUCCESSFUL, returned)
                signals().task_finished.send(self._sender, task_result=result)
            return returned

        return handler

    def _async_handler(self) -> Any:
        async def handler(payload: Any, context: FlowContext) -> Any:
            async with async_connections_of_a_record():
                attempts = await sync_to_async(previous_attempts)(self._database, context)
                result = running_result(self._task, context, attempts)
                await signals().task_started.asend(self._sender, task_result=result)
                returned = plain_value(
                    await self._task.func(*self._arguments(result, context), **result.kwargs)
                )
                _finish(result, TaskResultStatus.SUCCESSFUL, returned)
                await signals().task_finished.asend(self._sender, task_result=result)
            return returned

        return handler

    def _plain_failed(self) -> Any:
        def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
            if not will_retry:
                with connections_of_a_record():
                    result = self._failed_result(context, error, previous_attempts(self._database, context))
                    signals().task_finished.send(self._sender, task_result=result)

        return failed

    def _async_failed(self) -> Any:
        async def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
            if not will_retry:
                async with async_connections_of_a_record():
                    attempts = await sync_to_async(previous_attempts)(self._database, context)
                    result = self._failed_result(context, error, attempts)
                    await signals().task_finished.asend(self._sender, task_result=result)

        return failed

    def _failed_result(self, context: FlowContext, error: BaseException, attempts: Any) -> Any:
        result = running_result(self._task, context, attempts)
        path = f"{type(error).__module__}.{type(error).__qualname__}"
        result.errors.append(TaskError(exception_class_path=path, traceback="".join(format_exception(error))))
        return _finish(result, TaskResultStatus.FAILED)

    def _arguments(self, result: Any, context: FlowContext) -> list[Any]:
        if not self._task.takes_context:
            return result.args
        return [RecordContext(task_result=result, flow_context=context), *result.args]


def plain_value(returned: Any) -> Any:
    """Returns the value in the form in which Django's own backends store it. Raises UnsupportedResultError."""
    try:
        return normalize_json(returned)
    except (TypeError, ValueError) as error:
        raise UnsupportedResultError(str(error)) from error


def _finish(result: Any, status: Any, returned: Any = None) -> Any:
    object.__setattr__(result, "status", status)
    object.__setattr__(result, "finished_at", timezone.now())
    object.__setattr__(result, "_return_value", returned)
    return result
