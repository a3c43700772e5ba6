"""The Postgres side of the task system.

This package exports what applications need. A name is loaded when it is first used, so that the command line starts
quickly.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from queue_store.database.alembic_filter import include_object
    from queue_store.database.manager import DatabaseManager
    from queue_store.distributed_processor import DistributedProcessor
    from queue_store.enqueueing import (
        Enqueued,
        EnqueuedMany,
        NewRecord,
        aenqueue,
        aenqueue_many,
        enqueue,
        enqueue_many,
        send_hints,
    )
    from queue_store.enqueueing.hints import CeleryHintSender, HintSender
    from queue_store.errors import (
        BackupError,
        ClaimLostError,
        CommitUnknownError,
        ConflictError,
        DatabaseUnavailableError,
        DuplicateRecordError,
        IngestionStoppedError,
        MaintenanceError,
        NotFinishedError,
        PayloadRejectedError,
        QueueStoreError,
        SchemaVersionError,
        SettingsError,
        UnknownFlowError,
        UnknownRecordError,
    )
    from queue_store.waiting import FinishedRecord, wait_for, wait_for_async

    await_for = wait_for_async

__all__ = [
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
    "HintSender",
    "IngestionStoppedError",
    "MaintenanceError",
    "NewRecord",
    "NotFinishedError",
    "PayloadRejectedError",
    "QueueStoreError",
    "SchemaVersionError",
    "SettingsError",
    "UnknownFlowError",
    "UnknownRecordError",
    "aenqueue",
    "aenqueue_many",
    "enqueue",
    "enqueue_many",
    "include_object",
    "send_hints",
    "wait_for",
    "wait_for_async",
]

_HOMES = {
    "include_object": "database.alembic_filter",
    "CeleryHintSender": "enqueueing.hints",
    "HintSender": "enqueueing.hints",
    "DatabaseManager": "database.manager",
    "DistributedProcessor": "distributed_processor",
    "FinishedRecord": "waiting",
    "wait_for": "waiting",
    "wait_for_async": "waiting",
}
_OLD_NAMES = {"await_for": "wait_for_async"}  # to be removed in the next version


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        warnings.warn(f"{__name__}.{name} is now called {_OLD_NAMES[name]}", DeprecationWarning, stacklevel=2)
        name = _OLD_NAMES[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "errors" if name.endswith("Error") else _HOMES.get(name, "enqueueing")
    return getattr(import_module(f"{__name__}.{home}"), name)
