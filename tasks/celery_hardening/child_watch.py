"""Celery's main process learns of a dead pool child from a pipe that can close a moment before the child can be
waited for, and then looks again only after five seconds. It should look sooner: a dead child's records wait."""

from typing import Any

from celery import bootsteps

LOOK_SECONDS = 0.5


class ChildWatch(bootsteps.StartStopStep):
    """In the main process of a prefork worker: replaces a dead child within `LOOK_SECONDS`."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        maintain_pool = getattr(worker.pool, "maintain_pool", None)
        if maintain_pool is not None:
            hub.call_repeatedly(LOOK_SECONDS, maintain_pool)
