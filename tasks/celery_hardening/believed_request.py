"""Celery's request, which believes less of what a message says."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.worker.request import Request
from celery.worker.state import task_ready

logger = logging.getLogger(__name__)

HIDDEN = "(hidden)"
LONGEST_WAIT = timedelta(seconds=60)


class UnlimitedRequest(Request):
    """It ignores the sender's time limit, at which Celery would end the process with the records that it has in
    flight."""

    def __init__(self, message: Any, headers: Any = None, **options: Any) -> None:
        believed = dict(message.headers if headers is None else headers)
        believed["timelimit"] = None
        super().__init__(message, headers=believed, **options)

    def revoked(self) -> bool:
        """Celery asks when it has reserved a place in the pool, and frees the place only for one that is revoked: an
        error would take it for as long as the worker lives."""
        try:
            return super().revoked()
        except Exception:
            logger.exception("a message of %s cannot be judged and is dropped", self.type)
            self.acknowledge()
            task_ready(self)
            return True


class OwnRequest(UnlimitedRequest):
    """A request for a task of ours. It ignores an ETA, which would keep the message in the worker's memory: only a
    task that tries again may wait, and not for long. It also hides the payload where others see the arguments.

    No message that wakes expires here: the sender's clock would be compared with this host's, and one that is wrong by
    seconds would discard all of them. A late one finds nothing to do. Only a record to enqueue has an expiry that its
    sender meant."""

    def __init__(self, message: Any, headers: Any = None, task: Any = None, **options: Any) -> None:
        believed = dict(message.headers if headers is None else headers)
        if not task.tries_again:
            believed["expires"] = None
        if not (task.tries_again and _is_soon(believed.get("eta"))):
            believed["eta"] = None
        if task.hides_arguments:
            believed["argsrepr"] = believed["kwargsrepr"] = HIDDEN
        super().__init__(message, headers=believed, task=task, **options)

    def info(self, safe: bool = False) -> Any:
        """Used by Celery's remote control, which would show the arguments."""
        return super().info(safe=safe or self.task.hides_arguments)


def _is_soon(eta: Any) -> bool:
    try:
        return datetime.fromisoformat(eta) <= datetime.now(UTC) + LONGEST_WAIT
    except (TypeError, ValueError):
        return False
