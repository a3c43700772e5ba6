"""Everything that flow authors, producers and operators import, as in `from processing_queue import flow, enqueue`.

This package is the Celery side of the task system: it wakes workers, gets records from the store, runs flows, and
reports on the queue. Everything here is loaded when it is first used. So `queuectl --help` does not load Celery and
SQLAlchemy, which would take a second.
"""

import sys
import warnings
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .one_package import IS_CHECKOUT, REAL_NAME, CheckoutFinder, check_neighbours, import_by_real_name

if TYPE_CHECKING:
    from queue_store import (
        BackupError,
        CeleryHintSender,
        ClaimLostError,
        CommitUnknownError,
        ConflictError,
        DatabaseManager,
        DatabaseUnavailableError,
        DistributedProcessor,
        DuplicateRecordError,
        Enqueued,
        EnqueuedMany,
        FinishedRecord,
        HintSender,
        IngestionStoppedError,
        MaintenanceError,
        NewRecord,
        NotFinishedError,
        PayloadRejectedError,
        QueueStoreError,
        SchemaVersionError,
        SettingsError,
        UnknownFlowError,
        UnknownRecordError,
        aenqueue,
        aenqueue_many,
        enqueue,
        enqueue_many,
        include_object,
        send_hints,
        wait_for,
        wait_for_async,
    )

    from .app import app
    from .authoring.context import FlowContext
    from .authoring.decorator import flow
    from .authoring.retries import PERMANENT, Backoff
    from .exceptions import (
        FlowDeclarationError,
        HandlerEndedError,
        PermanentError,
        RecordCancelled,
        SnoozeRecord,
        TimeLimitExceededError,
    )

    await_for = wait_for_async

__all__ = [
    "PERMANENT",
    "Backoff",
    "BackupError",
    "CeleryHintSender",
    "ClaimLostError",
    "CommitUnknownError",
    "ConflictError",
    "DatabaseManager",
    "DatabaseUnavailableError",
    "DistributedProcessor",
    "DuplicateRecordError",
    "Enqueued",
    "EnqueuedMany",
    "FinishedRecord",
    "FlowContext",
    "FlowDeclarationError",
    "HandlerEndedError",
    "HintSender",
    "IngestionStoppedError",
    "MaintenanceError",
    "NewRecord",
    "NotFinishedError",
    "PayloadRejectedError",
    "PermanentError",
    "QueueStoreError",
    "RecordCancelled",
    "SchemaVersionError",
    "SettingsError",
    "SnoozeRecord",
    "TimeLimitExceededError",
    "UnknownFlowError",
    "UnknownRecordError",
    "aenqueue",
    "aenqueue_many",
    "app",
    "enqueue",
    "enqueue_many",
    "flow",
    "include_object",
    "send_hints",
    "wait_for",
    "wait_for_async",
]

_HOMES = {
    "PERMANENT": "authoring.retries",
    "Backoff": "authoring.retries",
    "FlowContext": "authoring.context",
    "FlowDeclarationError": "exceptions",
    "PermanentError": "exceptions",
    "RecordCancelled": "exceptions",
    "SnoozeRecord": "exceptions",
    "HandlerEndedError": "exceptions",
    "TimeLimitExceededError": "exceptions",
    "app": "app",
    "flow": "authoring.decorator",
}
_OLD_NAMES = {"await_for": "wait_for_async"}  # the next version removes them


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        warnings.warn(f"{__name__}.{name} is now called {_OLD_NAMES[name]}", DeprecationWarning, stacklevel=2)
        name = _OLD_NAMES[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    check_neighbours()
    if name not in _HOMES:
        return getattr(import_module("queue_store"), name)
    if name == "app":
        _prepare_celery()
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


@cache
def _prepare_celery() -> None:
    """Runs once, before the application is first used. Connects our handlers to Celery's signals, and adds our page to
    Flower."""
    import_module(".background.worker_signals", __name__)
    import_module(".observing.json_logs", __name__)
    import_module(".queue_page.install", __name__).install_in_flower_command()


class _Package(ModuleType):
    """Keeps the attribute `app` for the Celery application. Otherwise, importing the module `app` would make the
    attribute refer to that module."""

    app = property(lambda self: __getattr__("app"), lambda self, module: None)


if __name__ == REAL_NAME:
    if IS_CHECKOUT:
        sys.meta_path.insert(0, CheckoutFinder())
    sys.modules[__name__].__class__ = _Package
else:
    import_by_real_name()
