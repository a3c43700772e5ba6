"""Hints: messages that say "flow X may have work". They carry no record, and losing all of them loses nothing.

However many producers and beats hint and however long no worker runs, outstanding hints stay bounded: a short-lived
key for each flow and slot is taken before a hint is sent, and none is sent to a Celery queue that is long already.
"""

import logging
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from queue_store.trace_context import current_trace_context, producer_span

CLAIM_BATCH_TASK = "tasks.claim_batch"
KEY_SECONDS = 5
EXPIRES_SECONDS = 60
MAXIMUM_QUEUE_LENGTH = 200
TIMEOUT_SECONDS = 0.2

logger = logging.getLogger(__name__)


class HintSender(Protocol):
    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        """Never raises and never waits long. True: a hint is outstanding. False: it could not be sent; the next
        fan-out finds the records."""
        ...


class CeleryHintSender:
    """Sends hints with any Celery application's `send_task`. Needs nothing of this project's `tasks` package."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._client: Any = None  # redis-py's own types are partly unknown
        self.failed_count = 0

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        try:
            return self._send(flow_name, celery_queue, slot)
        except Exception as error:  # noqa: BLE001  (a hint must never break an enqueue)
            self.failed_count += 1
            logger.debug("no hint for %s: %s", flow_name, type(error).__name__)
            return False

    def started(self, flow_name: str, slot: int) -> None:
        """A hint arrived and its run is about to look: whoever commits from now on must hint again."""
        try:
            self._redis().delete(_key(flow_name, slot))
        except redis.RedisError:
            self.failed_count += 1

    def is_broker_reachable(self) -> bool:
        try:
            return bool(self._redis().ping())  # pyright: ignore[reportUnknownMemberType]
        except redis.RedisError:
            return False

    def _send(self, flow_name: str, celery_queue: str, slot: int) -> bool:
        pipeline = self._redis().pipeline(transaction=False)  # pyright: ignore[reportUnknownMemberType]
        pipeline.set(_key(flow_name, slot), b"1", nx=True, px=KEY_SECONDS * 1000)
        pipeline.llen(celery_queue)
        taken, queue_length = pipeline.execute()
        if not taken or queue_length >= MAXIMUM_QUEUE_LENGTH:
            return True
        if current_trace_context() is None:  # beat's, say: nobody's trace
            self._publish(flow_name, celery_queue, slot, {})
        else:
            with producer_span("hint", flow_name):
                self._publish(flow_name, celery_queue, slot, {"traceparent": current_trace_context()})
        return True

    def _publish(self, flow_name: str, celery_queue: str, slot: int, headers: dict[str, str | None]) -> None:
        self._app.send_task(
            CLAIM_BATCH_TASK,
            args=[flow_name],
            kwargs={"slot": slot},
            queue=celery_queue,
            expires=EXPIRES_SECONDS,
            retry=False,
            ignore_result=True,
            argsrepr=flow_name,
            headers=headers,
        )

    def _redis(self) -> Any:
        if self._client is None:
            self._client = redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                self._app.conf.broker_url,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=Retry(NoBackoff(), 0),
            )
        return self._client


def _key(flow_name: str, slot: int) -> str:
    return f"processing_queue:hint:{flow_name}:{slot}"
