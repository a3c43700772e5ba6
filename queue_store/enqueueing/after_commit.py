"""Sends hints for enqueued records after their COMMIT. Before the COMMIT a worker would find nothing."""

import asyncio
import contextvars
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from queue_store.database.sqlalchemy_kinds import (
    is_async_scoped_session,
    is_async_session,
    is_scoped_session,
    is_session,
)
from queue_store.enqueueing.bulk import EnqueuedMany
from queue_store.enqueueing.steps import Enqueued
from queue_store.errors import QueueStoreError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from queue_store.enqueueing.hints import HintSender

_WAITING = "queue_store: hints after commit"

logger = logging.getLogger(__name__)


def check_hint_sender(sender: object) -> None:
    """Raises QueueStoreError for an object that cannot send hints. Callers check the sender before anything is written,
    not after the COMMIT."""
    if not callable(getattr(sender, "send", None)):
        raise QueueStoreError(
            f"hint_sender: {type(sender).__name__} has no method send(flow_name, celery_queue, slot=0): pass a "
            "CeleryHintSender(app), or an object of your own with that method"
        )


def session_to_hint(connection: object, sender: object) -> "Session | None":
    """The session whose COMMIT can be observed; None without a sender. Raises QueueStoreError for a bare connection,
    whose COMMIT cannot be observed."""
    if sender is None:
        return None
    check_hint_sender(sender)
    session: object = connection
    if is_scoped_session(session) or is_async_scoped_session(session):
        session = session()
    if is_async_session(session):
        return session.sync_session
    if is_session(session):
        return session
    raise QueueStoreError(
        f"the COMMIT of a {type(connection).__name__} cannot be observed, so no hint can follow it: pass a session, "
        "or call send_hints() after the COMMIT"
    )


def hint_after_commit(session: "Session", sender: "HintSender", enqueued: Enqueued | EnqueuedMany) -> None:
    """Sends one hint for each flow, however many records were enqueued, and none if the session is rolled back."""
    from sqlalchemy import event  # the caller has a session, so SQLAlchemy is imported already

    waiting: dict[tuple[str, str], HintSender] = session.info.setdefault(_WAITING, {})
    waiting[enqueued.flow_name, enqueued.celery_queue] = sender
    if not event.contains(session, "after_commit", _send_waiting):
        event.listen(session, "after_commit", _send_waiting)
        event.listen(session, "after_soft_rollback", _forget_waiting)


def send_hints(sender: "HintSender", *enqueued: Enqueued | EnqueuedMany) -> None:
    """Call this after the COMMIT if you enqueued through a bare connection. If the sender raises an error, the error is
    only logged, because the records are already committed."""
    check_hint_sender(sender)
    for flow_name, celery_queue in {(one.flow_name, one.celery_queue) for one in enqueued}:
        send_hint(sender, flow_name, celery_queue)


def send_hint(sender: "HintSender", flow_name: str, celery_queue: str) -> None:
    """Logs an error of the sender instead of raising it, because the records are already committed."""
    try:
        sender.send(flow_name, celery_queue)
    except Exception as error:  # noqa: BLE001  (a hint must never break an enqueue)
        logger.warning(
            "no hint was sent for %s, because the hint sender raised %s. The next fan-out finds the records",
            flow_name, type(error).__name__,
        )  # fmt: skip


def _send_waiting(session: "Session") -> None:
    if session.in_nested_transaction():  # this event also fires for savepoints
        return
    waiting: dict[tuple[str, str], HintSender] = session.info.pop(_WAITING, {})
    for (flow_name, celery_queue), sender in waiting.items():
        _send(sender, flow_name, celery_queue)


def _send(sender: "HintSender", flow_name: str, celery_queue: str) -> None:
    """If an event loop runs in this thread, the loop's executor sends the hint, so that the loop does not wait for
    the broker."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        send_hint(sender, flow_name, celery_queue)
        return
    context = contextvars.copy_context()  # the span that the hint belongs to
    with suppress(RuntimeError):  # the loop is shutting down: the next fan-out finds the records
        loop.run_in_executor(None, lambda: context.run(send_hint, sender, flow_name, celery_queue))


def _forget_waiting(session: "Session", previous_transaction: Any) -> None:
    if previous_transaction.parent is None:
        session.info.pop(_WAITING, None)
