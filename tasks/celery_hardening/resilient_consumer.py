"""Celery's consumer, changed to survive events that would kill a worker's main process or lose its children. These
are a message that Celery cannot process, a broker that answers with errors, and a child that dies while the broker
is away. Messages are only hints, so a bad one is dropped."""

import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer
from celery.worker.state import maybe_shutdown
from redis.exceptions import DataError

from .message_rules import refuse_bad_headers, refuse_large_body
from .quarantine import keep_message

logger = logging.getLogger(__name__)

# DataError: our client cannot send what the message names, such as a delivery tag that is null.
NOT_A_MESSAGE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError, DataError)
REFUSED_PAUSE_SECONDS = 2.0
EVENTS_SECONDS = 0.05


class ResilientConsumer(Consumer):
    _events_at = 0.0

    def on_send_event_buffered(self) -> None:
        """Celery would send an event to Flower before it passes the message to a pool child. So this consumer sends
        events a little later, several at once."""
        now = time.monotonic()
        if self.hub and now >= self._events_at:  # otherwise a call is planned, unless the hub was reset
            self._events_at = now + EVENTS_SECONDS
            self.hub.call_later(EVENTS_SECONDS, self.send_events)

    def send_events(self) -> None:
        dispatcher: Any = getattr(self, "event_dispatcher", None)
        if dispatcher:
            dispatcher.flush()

    def update_strategies(self) -> None:
        """Removes Celery's own tasks, because they call any task that their message names. None of our messages
        needs them."""
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
            except Exception as error:  # noqa: BLE001  (Celery expects few kinds; the others end the worker)
                self._drop(message, error)

        return on_task_received

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Waits before Celery connects again. A broker that refuses commands, such as a demoted replica or a full
        one, still accepts connections at once. Without the pause Celery would connect several times a second."""
        super().on_connection_error_after_connected(exc)
        if not isinstance(exc, self.channel_errors):
            return
        go_on_at = time.monotonic() + REFUSED_PAUSE_SECONDS
        while time.monotonic() < go_on_at:
            maybe_shutdown()
            self._maintain_pool()
            time.sleep(0.2)

    def ensure_connected(self, conn: Any) -> Any:
        """Also replaces dead children, because Celery's event loop does not run while Celery connects again."""
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
        """Kombu parses messages inside Celery's event loop, and an error would end this loop."""
        read = transport.on_readable

        def on_readable(fileno: int) -> None:
            try:
                read(fileno)
            except NOT_A_MESSAGE as error:
                self._note("a Celery queue", None, "", error)

        transport.on_readable = on_readable

    def _maintain_pool(self) -> None:
        maintain_pool = getattr(self.pool, "maintain_pool", None)
        if maintain_pool is not None:
            maintain_pool()

    # Celery would log the whole message that it does not understand, including its secrets.
    def on_unknown_message(self, body: Any, message: Any) -> None:
        self._drop(message, LookupError("it names no task"))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        logger.error(
            "no task %s in this worker: its message is dropped", shown(exc.args[0] if exc.args else "")
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
        keep_message(self.app.conf.broker_url, queue, headers, body, f"it raised {type(error).__name__}")


def shown(name: object) -> str:
    """A name that a sender chose, for one line of a log."""
    return ascii(name)[:80]
