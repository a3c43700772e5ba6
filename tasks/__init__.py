"""The Celery side of the task system: it wakes, asks the store, runs flows, and reports.

A flow is a function with `@flow`. The decorator, the context and the exceptions are all that its author needs.
"""

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.app import app
    from tasks.authoring.context import FlowContext
    from tasks.authoring.flow import flow
    from tasks.authoring.retries import PERMANENT, Backoff
    from tasks.exceptions import (
        FlowDeclarationError,
        PermanentError,
        RecordCancelled,
        SnoozeRecord,
        TimeLimitExceededError,
    )

__all__ = [
    "PERMANENT",
    "Backoff",
    "FlowContext",
    "FlowDeclarationError",
    "PermanentError",
    "RecordCancelled",
    "SnoozeRecord",
    "TimeLimitExceededError",
    "app",
    "flow",
]

_HOMES = {
    "PERMANENT": "authoring.retries",
    "Backoff": "authoring.retries",
    "FlowContext": "authoring.context",
    "app": "app",
    "flow": "authoring.flow",
}


def __getattr__(name: str) -> Any:
    """Loaded when first used: `queuectl --help` needs neither Celery nor SQLAlchemy, which take a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "app":
        _prepare_celery()
    return getattr(import_module(f"tasks.{_HOMES.get(name, 'exceptions')}"), name)


@cache
def _prepare_celery() -> None:
    """Whoever uses the application gets its signals connected, and our page in Flower."""
    import_module("tasks.background.worker_signals")
    import_module("tasks.observing.json_logs")
    import_module("tasks.queue_page.install").install_in_flower_command()


class _Package(ModuleType):
    """The import system binds the modules `tasks.app` and `tasks.authoring.flow` to the names of what they export."""

    app = property(lambda self: __getattr__("app"), lambda self, module: None)
    flow = property(lambda self: __getattr__("flow"), lambda self, module: None)


sys.modules[__name__].__class__ = _Package
