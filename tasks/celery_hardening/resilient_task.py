"""The base of our tasks. Celery lets a MemoryError end the worker's main process, where it would end everybody's work
for a task of one child."""

from typing import Any

from celery import Task

from .believed_request import UnlimitedRequest


class OutOfMemoryError(Exception):
    """Raised instead of MemoryError."""


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
