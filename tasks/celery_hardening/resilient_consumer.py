"""Celery's consumer, made to survive what Celery lets kill a worker's main process or strand its children: a message
that it cannot bear, and a child that dies while the broker is away. Messages are hints only: a bad one is dropped."""

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from .quarantine import keep_message

logger = logging.getLogger(__name__)

NOT_A_MESSAGE = (ValueError, TypeError, AttributeError, KeyError, IndexError, RecursionError)
_NUMBER = (int, float, type(None))
_KINDS = {"task": str, "id": str, "retries": (int, type(None)), "eta": (str, type(None)),
    "expires": (str, *_NUMBER), "timelimit": (list, type(None))}  # fmt: skip


def refuse_bad_headers(headers: Any) -> None:
    """Raises TypeError for what Celery would take to its pool and die of there, when nobody can catch it any more."""
    if not headers:
        return
    for name, kinds in _KINDS.items():
        if name in headers and not isinstance(headers[name], kinds):
            raise TypeError(f"the header {name} is a {type(headers[name]).__name__}")
    limits = headers.get("timelimit")
    if limits and (len(limits) != 2 or not all(isinstance(limit, _NUMBER) for limit in limits)):
        raise TypeError("the header timelimit must hold two numbers")


class ResilientConsumer(Consumer):
    def create_task_handler(self, *arguments: Any, **options: Any) -> Callable[..., None]:
        receive = super().create_task_handler(*arguments, **options)

        def on_task_received(message: Any) -> None:
            try:
                refuse_bad_headers(message.headers)
                receive(message)
            except self.connection_errors + self.channel_errors:
                raise
            except Exception as error:  # noqa: BLE001  (Celery expects few kinds; the others end the worker)
                self._drop(message, error)

        return on_task_received

    def ensure_connected(self, conn: Any) -> Any:
        """While Celery connects again its event loop stands still: dead children are replaced here meanwhile."""
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
        """Kombu parses what it reads inside Celery's event loop, which an error ends."""
        read = transport.on_readable

        def on_readable(fileno: int) -> None:
            try:
                read(fileno)
            except NOT_A_MESSAGE as error:
                self._note("a Celery queue", "", error)

        transport.on_readable = on_readable

    def _maintain_pool(self) -> None:
        maintain_pool = getattr(self.pool, "maintain_pool", None)
        if maintain_pool is not None:
            maintain_pool()

    def _drop(self, message: Any, error: Exception) -> None:
        self._note(str((message.delivery_info or {}).get("routing_key")), message.body, error)
        if not message.acknowledged:
            message.reject_log_error(logger, self.connection_errors)

    def _note(self, queue: str, body: Any, error: Exception) -> None:
        logger.error("a message in %s that Celery cannot bear is set aside: %s", queue, type(error).__name__)
        assert self.app is not None
        keep_message(self.app.conf.broker_url, queue, body, f"it raised {type(error).__name__}")
