"""The base class of our tasks. With Celery's own base class, a MemoryError in one child would end the worker's main
process, and with it the work of all children."""

from typing import Any

from celery import Task

from .believed_request import UnlimitedRequest


class OutOfMemoryError(Exception):
    """A task raises this error instead of MemoryError."""


class ResilientTask(Task):
    abstract = True
    Request = f"{UnlimitedRequest.__module__}:UnlimitedRequest"

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        try:
            return self.run(*arguments, **options)
        except MemoryError:
            raise OutOfMemoryError(
                f"{self.name} ran out of memory: see what else this process does"
            ) from None
