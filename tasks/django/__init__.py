"""Django's tasks as records: a backend for `django.tasks`, and an app with models, admin and checks.

    TASKS = {"default": {"BACKEND": "processing_queue.django.ProcessingQueueBackend"}}
    INSTALLED_APPS = [..., "processing_queue.django"]

Workers find the tasks with FLOW_MODULES=processing_queue.django.flows. docs/django.md describes the whole set-up.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backend import ProcessingQueueBackend

__all__ = ["ProcessingQueueBackend"]


def __getattr__(name: str) -> Any:
    """Imports the backend on demand. Django imports this package before its registry of apps is ready, which is too
    early for the backend. A project may also use the app without the backend."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(".backend", __name__), name)
