"""The backends of ours that TASKS names."""

from typing import Any

from .options import Options
from .task_library import task_backends


def our_backends() -> list[Any]:
    """In the order of TASKS."""
    return [
        backend
        for backend in task_backends.all()
        if isinstance(getattr(backend, "flow_settings", None), Options)
    ]


def queue_alias() -> str:
    """The alias of the queue's database: that of the first backend, else `default`."""
    return next((backend.flow_settings.database for backend in our_backends()), "default")


def page_url() -> str:
    """Where the Queue page is, without a slash at its end; empty where no backend says it."""
    urls = (backend.flow_settings.page_url.rstrip("/") for backend in our_backends())
    return next((url for url in urls if url), "")
