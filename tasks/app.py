"""The Celery application: `celery -A processing_queue worker`, `beat` and `flower`."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from .celery_hardening.child_watch import ChildWatch
from .celery_hardening.own_task import OwnTask

app = Celery("processing_queue", task_cls="processing_queue.celery_hardening.resilient_task:ResilientTask")
app.config_from_object(
    "processing_queue.celeryconfig"
)  # a string, because a spawned pool child loads the module again
app.steps["worker"].add(ChildWatch)  # pyright: ignore[reportOptionalSubscript]  (Celery's stub is wrong)


def waking_task(name: str, *, old_name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a function that a message may start, as the Celery task `name`, and as `old_name` for messages that
    were sent under that name. The function may be called any number of times and with any arguments. Its changes
    must depend on rows in Postgres alone."""

    def register(function: Callable[..., Any]) -> Any:
        app.task(name=old_name, base=OwnTask, wakes=True, **options)(function)
        return app.task(name=name, base=OwnTask, wakes=True, **options)(function)

    return register


def scheduled_task(name: str, *, old_name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as the Celery task `name`, for schedule entries that name a time of the clock. If the task
    is sent as a message, it does nothing. If code outside a worker calls it, it does its work."""

    def register(function: Callable[..., Any]) -> Any:
        if old_name is not None:
            app.task(name=old_name, base=OwnTask)(function)
        return app.task(name=name, base=OwnTask)(function)

    return register
