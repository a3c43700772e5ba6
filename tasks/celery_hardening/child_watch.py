"""Replaces dead pool children quickly, because the new child starts the rescue of the dead child's records. Celery's
main process notices the end of a child when a pipe closes. If the pipe closes a moment before the system reports that
the child is dead, Celery checks the child again only after five seconds."""

from typing import Any

from celery import bootsteps

LOOK_SECONDS = 0.5


class ChildWatch(bootsteps.StartStopStep):
    """Replaces a dead child within `LOOK_SECONDS`. Runs in the main process of a prefork worker."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        maintain_pool = getattr(worker.pool, "maintain_pool", None)
        if maintain_pool is not None:
            hub.call_repeatedly(LOOK_SECONDS, maintain_pool)
