"""Pool children that are spawned and not forked, as is usual on macOS: each child starts a new Python interpreter.

A forked child has everything that the main process prepared. A spawned child has only what the pool pickles for it.
Usually the pool pickles the Celery application. Our application is not pickled: the child imports it again. Instead the
pool pickles what the child needs from the main process: the shared slots, the names of the Celery queues, and settings
that were changed after the configuration was read.
"""

from importlib import import_module
from typing import Any

from billiard.reduction import ForkingPickler
from celery import Celery

from ..app import app
from ..one_package import REAL_NAME
from ..worker.shared_slots import shared_slots

celery_queues: list[str] = []


def _what_a_child_needs(pickled: Celery) -> Any:
    if pickled is not app:
        return pickled.__reduce__()
    changes: Any = app.conf.changes
    return _application_of_the_child, (dict(changes), shared_slots.hand_over(), list(celery_queues))


def _application_of_the_child(changes: dict[str, Any], slots: Any, queues: list[str]) -> Celery:
    shared_slots.take_over(*slots)
    celery_queues[:] = queues
    application: Celery = import_module(REAL_NAME).app  # an import by this name connects our signals
    application.conf.update(changes)
    return application


ForkingPickler.register(Celery, _what_a_child_needs)
