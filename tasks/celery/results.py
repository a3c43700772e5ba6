"""The result backend of durable tasks. `AsyncResult` reads the state and the result from the task's record."""

import math
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from celery import states
from celery.backends.base import BaseBackend
from celery.exceptions import TaskRevokedError, TimeoutError as CeleryTimeoutError
from celery.result import ResultSet
from kombu.exceptions import EncodeError

from queue_store.errors import NotFinishedError, PayloadRejectedError, UnknownRecordError
from queue_store.operators.operators import Operators
from queue_store.records.payload import RESULT_LIMIT_BYTES, encode_json
from queue_store.task_states import TaskState, read_task_state, stored_task_ids
from queue_store.waiting import wait_for

from .json_types import as_json, decoded
from .refusals import refuse
from .task_ids import record_id_of

LOOK_SECONDS = 0.1
ACTOR = "celery"
CELERYS_NAMES = {
    "WorkerProcessDied": ("billiard.exceptions", "WorkerLostError"),
    "TimeLimitExceededError": ("billiard.exceptions", "TimeLimitExceeded"),
    "HandlerEndedError": ("celery.exceptions", "TaskRevokedError"),
}
STATES = {
    "pending": states.PENDING,
    "processing": states.STARTED,
    "completed": states.SUCCESS,
    "failed": states.FAILURE,
    "cancelled": states.REVOKED,
}


class DurableBackend(BaseBackend):
    """The result backend of one application. Its `store_result` and `mark_as_…` write nothing, because the worker
    writes the record's outcome. If a message started the task, `mark_as_failure` calls the message's `link_error`."""

    supports_autoexpire = True  # retention purges records

    def __init__(self, app: Any) -> None:
        super().__init__(app, url="processing-queue://")

    def state_of(self, task_id: str) -> TaskState | None:
        """Returns None if there is no committed record of this task. Raises QueueStoreError."""
        record_id = record_id_of(task_id)
        with self.app.database.engine.begin() as connection:
            return read_task_state(connection, record_id=record_id, task_id=None if record_id else task_id)

    def durable_ids(self, task_ids: Iterable[str]) -> set[str]:
        """Those of the ids that belong to durable tasks. Asks the database once for all ids, or not at all if each id
        carries the id of a record. Raises QueueStoreError."""
        ids = set(task_ids)
        others = {task_id for task_id in ids if record_id_of(task_id) is None}
        if not others:
            return ids
        with self.app.database.engine.begin() as connection:
            return ids - others | stored_task_ids(connection, others)

    def get_task_meta(self, task_id: str, cache: bool = True) -> dict[str, Any]:
        state = self.state_of(task_id)
        return {"status": states.PENDING, "result": None} if state is None else self._meta(task_id, state)

    def task_result_exists(self, task_id: str) -> bool:
        state = self.state_of(task_id)
        return state is not None and STATES[state.status] in states.READY_STATES

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Any = None,
    ) -> dict[str, Any]:
        """Raises Celery's TimeoutError. Raises NotDurableError if called inside the transaction that enqueued the
        task."""
        ends_at = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            state = self.state_of(task_id)
            if state is not None and STATES[state.status] in states.READY_STATES:
                return self._meta(task_id, state)
            if state is not None and self._has_ended(state.record_id, ends_at):
                continue
            self._refuse_in_its_transaction(task_id)
            if on_interval:
                on_interval()
            if time.monotonic() >= ends_at:
                raise CeleryTimeoutError("The operation timed out.")
            time.sleep(min(LOOK_SECONDS, max(0.0, ends_at - time.monotonic())))

    def forget(self, task_id: str) -> None:
        """Purge the task's record. Raises NotDurableError while the record is not finished."""
        state = self.state_of(task_id)
        if state is None:
            return
        if not Operators(self.app.database).purge_records([state.record_id], actor=ACTOR):
            raise refuse(
                f"the task {task_id} is not finished", "revoke() it, or forget() it when it is finished"
            )

    def store_result(self, *arguments: Any, **options: Any) -> None:
        pass

    mark_as_retry = mark_as_started = mark_as_revoked = store_result  # type: ignore[assignment]

    def mark_as_done(
        self,
        task_id: str,
        result: Any,
        request: Any = None,
        store_result: bool = True,
        state: str = states.SUCCESS,
    ) -> None:
        """Puts the result into the request, from which the record's handler takes it. If a result is not JSON or is
        too large, an application with a `result_backend` gets EncodeError, which fails the task. An application without
        a `result_backend` drops such a result, and the task succeeds."""
        running: Any = getattr(request, "durable", None)
        if running is None or request.ignore_result or result is None:  # Celery 5.6 sees only the declaration
            return
        try:
            plain = as_json(result, "result")
            encode_json(plain, RESULT_LIMIT_BYTES, "result")
        except PayloadRejectedError as error:
            if self.app.conf.result_backend:
                raise EncodeError(str(error)) from None
            return
        running.result = plain

    def _has_ended(self, record_id: int, ends_at: float) -> bool:
        remaining = max(0.0, ends_at - time.monotonic())
        try:
            wait_for(self.app.database, record_id, remaining)
        except NotFinishedError:
            raise CeleryTimeoutError("The operation timed out.") from None
        except UnknownRecordError:  # purged in between
            return False
        return True

    def _refuse_in_its_transaction(self, task_id: str) -> None:
        connection = self.app.transaction.open_one()
        if connection is None:
            return
        record_id = record_id_of(task_id)
        if read_task_state(connection, record_id=record_id, task_id=None if record_id else task_id):
            raise refuse(
                "get() in the transaction that enqueued the task", "no worker can see it yet: COMMIT first"
            )

    def _meta(self, task_id: str, state: TaskState) -> dict[str, Any]:
        status = STATES[state.status]
        if status == states.PENDING and state.retry_count:
            status = states.RETRY
        result = decoded(state.result) if status == states.SUCCESS else None
        if status in states.EXCEPTION_STATES:
            result = self._exception(state)
        payload = state.payload if isinstance(state.payload, dict) else {}
        return {
            "task_id": task_id,
            "status": status,
            "result": result,
            "traceback": state.traceback,
            "children": None,
            "date_done": state.completed_at,
            "name": state.flow_name,
            "args": payload.get("args"),
            "kwargs": payload.get("kwargs"),
            "retries": state.retry_count,
        }

    def _exception(self, state: TaskState) -> BaseException:
        if state.status == "cancelled":
            return TaskRevokedError("revoked")
        message = state.error_message or ""
        kind = state.exception_type or "Exception"
        module, name = CELERYS_NAMES.get(kind) or (_module_of(kind, state.traceback or ""), kind)
        described = {"exc_type": name, "exc_message": [message], "exc_module": module}
        rebuilt: Any = self.exception_to_python(described)
        return rebuilt


class BesideBackend:
    """The backend of an application in which only some of the tasks are durable. It reads results of durable tasks
    from their records, and all other results from the application's own backend."""

    def __init__(self, durable: DurableBackend, plain: Any) -> None:
        self._durable = durable
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def get_task_meta(self, task_id: str, cache: bool = True) -> Any:
        return self._of(task_id).get_task_meta(task_id, cache=cache)

    def wait_for_pending(self, result: Any, **options: Any) -> Any:
        return self._of(result.id).wait_for_pending(result, **options)

    def task_result_exists(self, task_id: str) -> bool:
        """Celery 5.7 calls this method for `AsyncResult.exists()`."""
        return bool(self._of(task_id).task_result_exists(task_id))

    def forget(self, task_id: str) -> None:
        self._of(task_id).forget(task_id)

    def iter_native(
        self, result: Any, timeout: float | None = None, on_interval: Any = None, **options: Any
    ) -> Iterator[tuple[str, Any]]:
        """Celery calls this method for a set of results if the application's own backend can wait for all of them at
        once. That backend would wait in vain for the results of durable tasks."""
        durable: list[Any] = []
        plain: list[Any] = []
        durable_ids = self._durable_ids([one for one in result.results if not isinstance(one, ResultSet)])
        for one in result.results:
            (durable if getattr(one, "id", None) in durable_ids else plain).append(one)
        ends_at = math.inf if timeout is None else time.monotonic() + timeout
        if plain:
            among = result if not durable else ResultSet(plain, app=result.app)
            yield from self._plain.iter_native(among, timeout=timeout, on_interval=on_interval, **options)
        for one in durable:
            remaining = None if timeout is None else max(0.0, ends_at - time.monotonic())
            yield one.id, self._durable.wait_for(one.id, timeout=remaining, on_interval=on_interval)

    def _durable_ids(self, results: list[Any]) -> set[str]:
        evident = {one.id for one in results if isinstance(one.backend, DurableBackend)}
        return evident | self._durable.durable_ids({one.id for one in results} - evident)

    def _of(self, task_id: str) -> Any:
        is_durable = record_id_of(task_id) is not None or self._durable.state_of(task_id) is not None
        return self._durable if is_durable else self._plain


def _module_of(kind: str, traceback: str) -> str:
    """The module of the exception's class. In a traceback, Python writes the module in front of the class name, on the
    line where the message begins. In an exception group, "|" stands in front of this line. If the traceback names no
    module, the class is a built-in one."""
    found = re.findall(rf"^[\s|]*(?:([\w.]+)\.)?{re.escape(kind)}(?::|$)", traceback, re.MULTILINE)
    return (found[-1] if found else "") or "builtins"
