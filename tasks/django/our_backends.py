"""The backends in Django's setting TASKS that are ours."""

from collections.abc import Iterator
from typing import Any

from .options import Options
from .task_library import task_backends


def our_backends() -> Iterator[Any]:
    for alias in task_backends:
        backend = task_backends[alias]
        if isinstance(getattr(backend, "flow_settings", None), Options):
            yield backend


def queue_alias() -> str:
    """The alias of the queue's database: the option `database` of our first backend, or `default` without one."""
    return next((backend.flow_settings.database for backend in our_backends()), "default")


def page_url() -> str:
    """The URL of the Queue page without a slash at its end. Returns "" if no backend names this URL."""
    urls = (backend.flow_settings.page_url.rstrip("/") for backend in our_backends())
    return next((url for url in urls if url), "")
