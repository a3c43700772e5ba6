"""The Celery application: `celery -A processing_queue worker`, `beat` and `flower`."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from .celery_hardening.child_watch import ChildWatch
from .celery_hardening.own_task import OwnTask

app = Celery("processing_queue", task_cls="processing_queue.celery_hardening.resilient_task:ResilientTask")
# The argument is a string, because Celery pickles it for spawned pool children, and a module cannot be pickled.
app.config_from_object("processing_queue.celeryconfig")
app.steps["worker"].add(ChildWatch)  # pyright: ignore[reportOptionalSubscript]  (Celery's stub is wrong)


def waking_task(name: str, *, old_name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as the Celery task `name`. Messages may start this task. Messages that were sent for the task
    `old_name` also start the function. The function must tolerate any number of calls, with any arguments. What the
    function changes must depend only on rows in Postgres, not on the message."""

    def register(function: Callable[..., Any]) -> Any:
        app.task(name=old_name, base=OwnTask, wakes=True, **options)(function)
        return app.task(name=name, base=OwnTask, wakes=True, **options)(function)

    return register


def scheduled_task(name: str, *, old_name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as the Celery task `name`, for schedule entries that have a crontab.
    In a worker, the function does its work only for an occurrence of the schedule. Code outside of a worker can always
    call the task. A message that names the task but no occurrence has no effect."""

    def register(function: Callable[..., Any]) -> Any:
        if old_name is not None:
            app.task(name=old_name, base=OwnTask)(function)
        return app.task(name=name, base=OwnTask)(function)

    return register
