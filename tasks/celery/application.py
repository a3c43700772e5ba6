"""In the application that replaces `celery.Celery`, durable tasks are flows, and calls of these tasks write records."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any, Literal

from celery import Celery, signals

from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing import NewRecord, send_hints
from queue_store.enqueueing.hints import CeleryHintSender

from ..authoring.registry import register, remember
from .canvas import CELERYS_OWN, check_message
from .declaring import check_declared, flow_of
from .durable_task import as_durable
from .options import CallOptions, checked
from .payloads import payload_of
from .queues import flow_queue, route_of
from .refusals import refuse
from .results import BesideBackend, DurableBackend
from .revoking import DurableControl
from .task_ids import task_id_of
from .transactions import CallersTransaction, Outside, Transaction, write


class DurableCelery(Celery):
    """A `celery.Celery` with durable tasks: each call of such a task is a record.

    `transaction`: a function, or "django:" with the alias of a database, or None. The function returns the caller's
    session or connection, and returns None outside of a transaction. If `transaction` is None, each call is outside of
    a transaction. `outside_transaction`: with "commit", a call outside of a transaction commits its record at once.
    With "error", a call outside of a transaction raises NotDurableError. `durable`: patterns of the names of durable
    tasks, such as ["shop.billing.*"]. All other tasks remain plain Celery tasks. `on_crash`: what to do with a task
    whose process died, "fail" or "repeat". Even if `on_crash` is "fail", a task with `acks_late=True` is repeated.
    `database`: the database of the queue. If it is None, the settings name the database.

    Raises NotDurableError for wrong values.
    """

    control_cls = DurableControl  # type: ignore[assignment]

    def __init__(
        self,
        main: str | None = None,
        *,
        transaction: Transaction = None,
        outside_transaction: Outside = "commit",
        durable: Sequence[str] = ("*",),
        on_crash: Literal["fail", "repeat"] = "fail",
        database: DatabaseManager | None = None,
        **options: Any,
    ) -> None:
        if isinstance(durable, str) or not all(isinstance(pattern, str) for pattern in durable):
            raise refuse(f"durable={durable!r}", 'pass a list of patterns, such as ["shop.billing.*"]')
        if on_crash not in ("fail", "repeat"):
            raise refuse(f"on_crash={on_crash!r}", 'pass "fail" or "repeat"')
        self.transaction = CallersTransaction(transaction, outside_transaction)
        self.durable = tuple(durable)
        self.on_crash = on_crash
        self._database = database
        super().__init__(main, **options)
        remember(self)
        signals.beat_init.connect(self._commit_in_beat)
        signals.beat_embedded_init.connect(self._commit_in_beat)

    def load_tasks(self) -> None:
        """Import the modules of the tasks, and register each durable task as a flow. A worker calls this method at its
        start. If an import fails, its error reaches the caller."""
        self.loader.import_default_modules()
        self.finalize()

    @cached_property
    def database(self) -> DatabaseManager:
        """The queue's database. Raises SettingsError."""
        return self._database or DatabaseManager(application_name=f"{self.main or 'celery'} tasks")

    @cached_property
    def hints(self) -> CeleryHintSender:
        return CeleryHintSender(_PlainSender(self))

    @cached_property
    def durable_backend(self) -> DurableBackend:
        return DurableBackend(self)

    def is_durable(self, name: str) -> bool:
        """Whether calls of the task with this name write records."""
        return not fnmatchcase(name, CELERYS_OWN) and any(
            fnmatchcase(name, pattern) for pattern in self.durable
        )

    def check_queue(self, name: str, queue: Any) -> None:
        """Raises NotDurableError if a call names a queue other than the task's own. A task that is neither registered
        here nor listed in `task_routes` has the default queue."""
        wanted, declared = flow_queue(self, queue), flow_queue(self, name=name)
        if queue is not None and wanted != declared:
            raise refuse(
                f"{name}: queue={wanted!r} in a call",
                f"the task's queue is {declared!r}; declare another queue: @app.task(queue=…), or task_routes",
            )

    def task(self, *arguments: Any, **options: Any) -> Any:
        """Like Celery's decorator `task`, but other applications in the process get no copy of the task, unless
        `shared=True`."""
        options.setdefault("shared", False)
        return super().task(*arguments, **options)

    def _task_from_fun(  # pyright: ignore[reportIncompatibleMethodOverride]  (it passes on the other options)
        self, fun: Any, name: str | None = None, base: Any = None, **options: Any
    ) -> Any:
        """Celery calls this to make each task, for `@app.task` and for `@shared_task`."""
        name = name or self.gen_task_name(fun.__name__, fun.__module__)
        known: Any = self._tasks
        if not self.is_durable(name) or name in known:
            return super()._task_from_fun(fun, name=name, base=base, **options)  # type: ignore[misc]
        check_declared(self, name, fun, options)
        base = as_durable(base or self.Task)
        task = super()._task_from_fun(fun, name=name, base=base, **options)  # type: ignore[misc]
        register(flow_of(self, task))
        return task

    def register_task(self, task: Any, **options: Any) -> Any:
        """Register a task that is a class. Overrides Celery's method."""
        task = task() if isinstance(task, type) else task
        name = task.name or self.gen_task_name(type(task).__name__, type(task).__module__)
        if self.is_durable(name):
            declared = {option: getattr(task, option, None) for option in ("rate_limit", "expires")}
            check_declared(self, name, task.run, declared | options)
            task.__class__ = as_durable(type(task))
        task = super().register_task(task, **options)
        if self.is_durable(name):
            register(flow_of(self, task))
        return task

    def send_task(  # type: ignore[override]
        self,
        name: str,
        args: Any = None,
        kwargs: Any = None,
        countdown: Any = None,
        eta: Any = None,
        task_id: str | None = None,
        **options: Any,
    ) -> Any:
        """Every call that Celery would send as a message comes through here. `retries` is set when Celery itself
        retries a task that was started by a message and not by a record. Such a retry is also sent as a message."""
        said: dict[str, Any] = options | {"countdown": countdown, "eta": eta, "task_id": task_id}
        if options.get("retries"):
            return super().send_task(name, args, kwargs, **said)
        if not self.is_durable(name):
            check_message(self, name, said)
            return super().send_task(name, args, kwargs, **said)
        return self._enqueue(name, args, kwargs, said)

    def _enqueue(self, name: str, args: Any, kwargs: Any, said: dict[str, Any]) -> Any:
        said = route_of(self, name) | {option: value for option, value in said.items() if value is not None}
        options = self._with_parent(checked(self, name, said))
        payload = payload_of(self, args, kwargs, options)
        record = NewRecord(payload, priority=options.priority, scheduled_at=options.scheduled_at)
        connection = None if self._is_called_by_celery(said) else self.transaction.current()
        if connection is None:
            with self.database.engine.begin() as own:
                enqueued = write(own, name, record, options.task_id)
            send_hints(self.hints, enqueued)
        else:
            enqueued = write(connection, name, record, options.task_id)
            self.transaction.hint_after_commit(connection, self.hints, enqueued)
        task_id = options.task_id or task_id_of(enqueued.id)
        result = self.AsyncResult(task_id, backend=self.durable_backend)
        result.ignored = bool(options.ignore_result)
        return result

    def _commit_in_beat(self, sender: Any, **_: Any) -> None:
        """When beat calls a task, none of the application's code runs, so nobody would commit the caller's transaction.
        So in beat, each call commits its record at once. Celery sends this signal in the process of beat."""
        if sender.app is self:
            self.transaction = CallersTransaction(None, "commit")

    def _is_called_by_celery(self, said: dict[str, Any]) -> bool:
        """Whether Celery itself calls this task, because the task is the `link` of a plain task that a message has
        started. Celery names the parent only in such a call. Celery makes this call after the body of the plain task
        has ended, so nobody would commit a transaction of the caller."""
        parent = self.current_worker_task
        if parent is None or parent.request.is_eager or getattr(parent.request, "durable", None) is not None:
            return False
        return said.get("parent_id") == parent.request.id

    def _with_parent(self, options: CallOptions) -> CallOptions:
        parent = self.current_worker_task
        if parent is not None:
            request = parent.request
            options.root_id = options.root_id or request.root_id or request.id
            options.parent_id = options.parent_id or request.id
        return options

    def _get_backend(self) -> Any:
        """The results of durable tasks are in their records. The results of other tasks are in the
        `result_backend`."""
        if self.durable == ("*",):
            return self.durable_backend
        return BesideBackend(self.durable_backend, super()._get_backend())  # type: ignore[misc]


class _PlainSender:
    """Sends hints as plain Celery messages, not as records."""

    def __init__(self, app: DurableCelery) -> None:
        self.conf = app.conf
        self._app = app

    def send_task(self, name: str, **options: Any) -> Any:
        return Celery.send_task(self._app, name, **options)
