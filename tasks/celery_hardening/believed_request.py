"""Celery's request, changed to trust less of what a message says."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.worker.request import Request
from celery.worker.state import task_ready

from .deadly_messages import MOST_ENDS, has_ended_too_many
from .quarantine import keep_message

logger = logging.getLogger(__name__)

HIDDEN = "(hidden)"
LONGEST_WAIT = timedelta(seconds=60)


class UnlimitedRequest(Request):
    """A request that ignores the sender's time limit. Otherwise, Celery would end the process at this limit, even while
    the process works on records."""

    def __init__(self, message: Any, headers: Any = None, **options: Any) -> None:
        believed = dict(message.headers if headers is None else headers)
        believed["timelimit"] = None
        super().__init__(message, headers=believed, **options)

    def revoked(self) -> bool:
        """Celery calls this method after it has reserved a place in the pool for the message. If the method returns
        True, Celery drops the message and frees the place. If this method raised an error, the place would stay
        reserved for as long as the worker lives."""
        try:
            return super().revoked()
        except Exception:
            logger.exception("a message for %s cannot be checked for revocation and is dropped", self.type)
            self.acknowledge()
            task_ready(self)
            return True


class OwnRequest(UnlimitedRequest):
    """A request for one of our tasks. It ignores an ETA, because otherwise the message would stay in the worker's
    memory until the ETA. Only a task that uses Celery's retry may wait for its ETA, and only if the ETA is soon. If the
    arguments hold a payload, the request hides them wherever Celery shows arguments.

    This class ignores the expiry of a message that wakes a worker. Celery compares the sender's clock with this host's.
    If this host's clock were ahead by more than the expiry, Celery would discard all hints. A late hint does no harm,
    because its task then finds nothing to do. Only messages that enqueue a record keep the expiry that their sender
    set.

    If a child ends while it enqueues a record, Celery gives the message back to the broker. If a message ends
    MOST_ENDS children, this class drops the message instead, and keeps a note of it in the quarantine."""

    _error: BaseException | None = None

    def __init__(self, message: Any, headers: Any = None, task: Any = None, **options: Any) -> None:
        believed = dict(message.headers if headers is None else headers)
        if not task.tries_again:
            believed["expires"] = None
        if not (task.tries_again and _is_soon(believed.get("eta"))):
            believed["eta"] = None
        if task.hides_arguments:
            believed["argsrepr"] = believed["kwargsrepr"] = HIDDEN
        super().__init__(message, headers=believed, task=task, **options)

    def on_failure(self, exc_info: Any, *arguments: Any, **options: Any) -> None:
        self._error = exc_info.exception
        super().on_failure(exc_info, *arguments, **options)

    def reject(self, requeue: bool = False) -> None:
        if requeue and has_ended_too_many(self.id, self._error):
            assert self.app is not None
            queue = str((self.delivery_info or {}).get("routing_key"))
            logger.error("a message for %s ended %d processes: it is quarantined", self.type, MOST_ENDS)
            why = f"it ended {MOST_ENDS} processes that worked on it"
            keep_message(self.app.conf.broker_url, queue, self.request_dict, self.body, why)
            requeue = False
        super().reject(requeue=requeue)

    def info(self, safe: bool = False) -> Any:
        """Celery's remote control shows the returned value, so the arguments are left out if they hold a payload."""
        return super().info(safe=safe or self.task.hides_arguments)


def _is_soon(eta: Any) -> bool:
    try:
        return datetime.fromisoformat(eta) <= datetime.now(UTC) + LONGEST_WAIT
    except (TypeError, ValueError):
        return False
