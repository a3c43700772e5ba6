"""The backend for Django's tasks: `enqueue` writes a record in Django's own transaction."""

from datetime import datetime
from functools import partial
from typing import Any

from django.core import checks
from django.db import connections, transaction

from queue_store.database.cursors import OwnCursor
from queue_store.enqueueing import enqueue, send_hints
from queue_store.enqueueing.created_at import read_created_at
from queue_store.enqueueing.producer_errors import commits_each_statement, translated_errors
from queue_store.errors import UnknownFlowError

from .checks import check_backend
from .database import driver_connection
from .options import read_options
from .payloads import aware, flow_name, named_task, payload_of, record_priority
from .results import read_result
from .task_library import BaseTaskBackend, InvalidTask, TaskResult, TaskResultStatus, signals

_validated_paths: set[str] = set()


def declared_paths() -> list[str]:
    """The paths of all tasks that this process has declared for a ProcessingQueueBackend."""
    return sorted(_validated_paths)


class ProcessingQueueBackend(BaseTaskBackend):
    """Django's setting `TASKS` names this class. The id of a result is the record's id, as text."""

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.flow_settings = read_options(alias, self.options)

    def validate_task(self, task: Any) -> None:
        """Django calls this method for each declared task. Raises InvalidTask."""
        super().validate_task(task)
        _validated_paths.add(task.module_path)

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """The record is written in Django's open transaction on the database alias, and exists as soon as that
        transaction is committed. If no transaction is open, the record exists at once.

        Raises InvalidTask, InvalidTaskBackend, IngestionStoppedError and DatabaseUnavailableError. Raises
        CommitUnknownError if no transaction is open and the record may or may not exist. Raises TypeError for arguments
        that are not JSON, and PayloadRejectedError for other values that a record cannot hold.
        """
        self.validate_task(task)
        self._check_declared_backend(task)
        result = TaskResult(
            task=task, id="", status=TaskResultStatus.READY, enqueued_at=None, started_at=None,
            finished_at=None, last_attempted_at=None, args=list(args), kwargs=kwargs, backend=self.alias, errors=[],
            worker_ids=[],
        )  # fmt: skip
        record_id, created_at = self._write(task, payload_of(task, result))
        object.__setattr__(result, "id", str(record_id))
        object.__setattr__(result, "enqueued_at", created_at)
        signals().task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Raises TaskResultDoesNotExist if Django's connection sees no record with this id, or if the record is not
        for a task of this application."""
        return read_result(self.flow_settings.database, self.alias, result_id)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return check_backend(self.alias, self.flow_settings, declared_paths)

    def _check_declared_backend(self, task: Any) -> None:
        """The flows of a task have the options of the declared backend."""
        path, declared = task.module_path, named_task(task.module_path).get_backend()
        if isinstance(declared, ProcessingQueueBackend):
            ours, theirs = self.flow_settings, declared.flow_settings
            if (ours.database, ours.flow_options(path)) == (theirs.database, theirs.flow_options(path)):
                return
        raise InvalidTask(
            f'{path} is declared for the backend "{declared.alias}", and using(backend="{self.alias}") would not '
            f'change the options of its flow: declare the task with @task(backend="{self.alias}")'
        )

    def _write(self, task: Any, payload: dict[str, Any]) -> tuple[int, datetime]:
        alias = self.flow_settings.database
        sender = self.flow_settings.sender()
        connection = driver_connection(alias)
        try:
            enqueued = enqueue(
                connection,
                flow_name(task),
                payload,
                priority=record_priority(task.priority),
                scheduled_at=None if task.run_after is None else aware(task.run_after),
            )
        except UnknownFlowError as error:
            raise InvalidTask(
                f"{error} With FLOW_MODULES=processing_queue.django.flows, workers register the tasks of these "
                "modules: `tasks` of each app, and OPTIONS['modules']."
            ) from error
        if sender is not None and _tells_of_commits(alias):
            transaction.on_commit(partial(send_hints, sender, enqueued), using=alias, robust=True)
        with translated_errors(commits=commits_each_statement(connection)), OwnCursor(connection) as cursor:
            return enqueued.id, read_created_at(cursor, enqueued.id)


def _tells_of_commits(alias: str) -> bool:
    """After `set_autocommit(False)`, and outside of `atomic()`, Django refuses `on_commit`."""
    connection = connections[alias]
    return bool(connection.in_atomic_block or connection.get_autocommit())
