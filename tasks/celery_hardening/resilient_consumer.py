"""Celery's consumer, changed to survive events that would kill a worker's main process or lose its children. Examples
are a message that Celery cannot process, and a broker that answers with errors. A connection can also break while
Celery uses or closes it, and a child can die while the broker is unreachable. No record depends on a message, so a bad
message is dropped."""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.worker import loops
from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from redis.exceptions import DataError

from .message_rules import refuse_bad_headers, refuse_large_body
from .quarantine import keep_message
from .start_guard import ABNORMAL_ENDS, WINDOW_SECONDS

logger = logging.getLogger(__name__)

# DataError: the Redis client cannot send a value from the message, such as a delivery tag that is null.
NOT_A_MESSAGE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, DataError)
# The errors that Celery and Kombu raise by mistake when a connection breaks or a child dies at a bad moment.
MISTAKES = (*NOT_A_MESSAGE, RuntimeError, AssertionError)
REFUSED_PAUSE_SECONDS = 2.0
EVENTS_SECONDS = 0.05


class EventLoopError(ConnectionError):
    """Celery's event loop has ended with an error that is neither a connection error nor a channel error."""


class ResilientConsumer(Consumer):
    _events_at = 0.0
    _mistakes_at: tuple[float, ...] = ()

    def loop(self, *arguments: Any) -> None:
        """Runs Celery's event loop. Celery reconnects only after a connection error or a channel error. After any other
        error, the worker ends. But if a connection breaks or a child dies at a bad moment, Celery itself raises errors
        of other kinds.

        Replaces an error in MISTAKES by an EventLoopError, so that Celery connects again. After ABNORMAL_ENDS such
        errors within WINDOW_SECONDS, raises the next error unchanged. The worker then ends, so that its supervisor and
        the start guard can deal with the cause.
        """
        run_loop = loops.asynloop if self.hub else loops.synloop
        self._trust_new_children()
        try:
            run_loop(*arguments)
        except self.connection_errors + self.channel_errors:
            raise
        except MISTAKES as error:
            if not self._may_connect_again():
                raise
            logger.exception(
                "Celery's event loop ended with %s: the worker connects again", type(error).__name__
            )
            self._reset_hub()
            raise EventLoopError(f"Celery's event loop ended with {type(error).__name__}") from error

    def _may_connect_again(self) -> bool:
        now = time.monotonic()
        lately = tuple(at for at in self._mistakes_at if now - at < WINDOW_SECONDS)
        self._mistakes_at = (*lately, now)
        return len(lately) < ABNORMAL_ENDS

    def _reset_hub(self) -> None:
        """Makes the hub forget the files of the broken connection. If the event loop fails before its first event,
        Celery itself does not reset the hub. During the reset, the hub makes the calls that are still scheduled. These
        calls may raise any error."""
        try:
            if self.hub:
                self.hub.reset()
        except Exception:
            logger.exception("the clean-up after Celery's event loop failed")

    def on_send_event_buffered(self) -> None:
        """Delays the events for Flower a little, and sends several at once. Otherwise Celery would send an event for
        each message before it passes the message to a pool child."""
        now = time.monotonic()
        if self.hub and now >= self._events_at:  # before that time, a call is already planned
            self._events_at = now + EVENTS_SECONDS
            self.hub.call_later(EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        dispatcher: Any = getattr(self, "event_dispatcher", None)
        if dispatcher:
            dispatcher.flush()

    def update_strategies(self) -> None:
        """Removes Celery's own tasks, because they call any task that a message names. Our messages do not need these
        tasks."""
        super().update_strategies()
        for name in [name for name in self.strategies if name.startswith("celery.")]:
            del self.strategies[name]

    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[..., None]:
        receive = super().create_task_handler(*arguments, **options)

        def on_task_received(message: Any) -> None:
            try:
                refuse_bad_headers(message.headers)
                refuse_large_body(message.body)
                receive(message)
            except self.connection_errors + self.channel_errors:
                raise
            except Exception as error:  # noqa: BLE001  (Celery catches few kinds of errors; any other ends the worker)
                self._drop(message, error)

        return on_task_received

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """After a channel error or an EventLoopError, waits before Celery connects again. A broker that refuses
        commands, such as a Redis that has become a replica or is full, still accepts connections at once. Without this
        pause, Celery would connect several times a second."""
        if self.connection:
            self.connection.close = partial(_close_in_two_tries, self.connection.close)
        super().on_connection_error_after_connected(exc)
        if not isinstance(exc, (*self.channel_errors, EventLoopError)):
            return
        go_on_at = time.monotonic() + REFUSED_PAUSE_SECONDS
        while time.monotonic() < go_on_at:
            maybe_shutdown()
            self._maintain_pool()
            time.sleep(0.2)

    def ensure_connected(self, conn: Any) -> Any:
        """Connects to the broker. While Celery tries to connect, its event loop does not run, so this method replaces
        dead children."""
        connect = conn.ensure_connection

        def ensure_connection(errback: Any, max_retries: Any, callback: Any = None) -> Any:
            def each_second() -> None:
                if callback is not None:
                    callback()
                self._maintain_pool()

            return connect(errback, max_retries, callback=each_second)

        conn.ensure_connection = ensure_connection
        connected = super().ensure_connected(conn)
        self._read_carefully(connected.transport)
        return connected

    def _read_carefully(self, transport: Any) -> None:
        """Catches the error for a message that Kombu cannot parse, because the error would end Celery's event
        loop."""
        read = transport.on_readable

        def on_readable(fileno: int) -> None:
            try:
                read(fileno)
            except NOT_A_MESSAGE as error:
                self._note("a Celery queue", None, "", error)

        transport.on_readable = on_readable

    def _maintain_pool(self) -> None:
        """Replaces dead children. A pool reads from a new child, and gives it messages, only if the pool knows the hub.
        Celery itself tells the pool about the hub only after the first connection, so this method tells the pool
        earlier."""
        pool: Any = self.pool
        maintain_pool = getattr(pool, "maintain_pool", None)
        if maintain_pool is None:
            return
        if self.hub and not getattr(pool._pool, "_registered_with_event_loop", True):
            pool.register_with_event_loop(self.hub)
        maintain_pool()

    def _trust_new_children(self) -> None:
        """Makes Celery forget which children it still waits for. Celery kills a child whose first message it has not
        read in time. While no event loop runs, Celery reads no messages of children. So when the loop begins, Celery
        would kill each child that was started a while before."""
        waiting = getattr(getattr(self.pool, "_pool", None), "_waiting_to_start", None)
        if waiting:
            waiting.clear()

    # The next four methods replace those of Celery, which would log the whole message, including secrets.
    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._drop(message, LookupError("it names no task"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        logger.error(
            "this worker has no task %s: the message is dropped", shown(exc.args[0] if exc.args else "")
        )
        message.reject_log_error(logger, self.connection_errors)

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        self._drop(message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        self._drop(message, exc)

    def _drop(self, message: Any, error: Exception) -> None:
        self._note(
            str((message.delivery_info or {}).get("routing_key")), message.headers, message.body, error
        )
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)

    def _note(self, queue: str, headers: Any, body: Any, error: Exception) -> None:
        logger.error(
            "a message in %s that Celery cannot handle is quarantined: %s", shown(queue), type(error).__name__
        )
        assert self.app is not None
        keep_message(
            self.app.conf.broker_url, queue, headers, body, f"reading it raised {type(error).__name__}"
        )


def _close_in_two_tries(close: Callable[[], None]) -> None:
    """Closes a broken connection. If Kombu has closed a connection only partly, it raises AttributeError when it gives
    back messages through this connection. After the AttributeError, the channel counts as closed, so the second try to
    close the connection succeeds. Kombu delivers the messages of the broken connection again, at the latest after the
    visibility timeout."""
    try:
        close()
    except MISTAKES:
        logger.debug("Kombu could not close the connection to the broker at once", exc_info=True)
        close()


def shown(name: object) -> str:
    """Escapes a name that a sender chose, and shortens it for one line of a log."""
    return ascii(name)[:80]
