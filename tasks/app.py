"""The Celery application: `celery -A processing_queue worker`, `beat` and `flower`."""

from collections.abc import Callable
from typing import Any

from celery import Celery

from .celery_hardening.child_watch import ChildWatch

app = Celery("processing_queue", task_cls="processing_queue.celery_hardening.resilient_task:ResilientTask")
app.config_from_object(
    "processing_queue.celeryconfig"
)  # by its path: a pool child under spawn loads it again
app.steps["worker"].add(ChildWatch)  # pyright: ignore[reportOptionalSubscript]  (Celery's stub is wrong)


def owned_task(name: str, *, old_name: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Register a function as the Celery task `name`, and as `old_name` for messages that were sent under it."""

    def register(function: Callable[..., Any]) -> Any:
        app.task(name=old_name, **options)(function)
        return app.task(name=name, **options)(function)

    return register
