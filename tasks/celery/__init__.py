"""For existing Celery applications, which use `from processing_queue.celery import DurableCelery` in place of
`celery.Celery`.

Each task becomes a flow, and each `delay()` a record in the caller's transaction. docs/celery-applications.md says what
is supported, what is refused, and what changes.
"""

from .application import DurableCelery
from .refusals import NotDurableError

__all__ = ["DurableCelery", "NotDurableError"]
