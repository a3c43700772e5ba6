"""Gives existing Celery applications durable tasks. Such an application imports `DurableCelery` from
`processing_queue.celery`, and uses it in place of `celery.Celery`.

Each task becomes a flow, and each `delay()` writes a record in the caller's transaction. docs/celery-applications.md
says what is supported, what is refused, and what changes.
"""

from .application import DurableCelery
from .refusals import NotDurableError

__all__ = ["DurableCelery", "NotDurableError"]
