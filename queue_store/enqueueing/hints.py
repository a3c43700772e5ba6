"""Hints: messages that say "flow X may have work". A hint carries no record: if all hints are lost, no record is lost.

The number of outstanding hints is bounded, even if any number of processes send hints while no worker runs. A flow can
have several hints at the same time, one for each run that can start, so each hint has a number (`slot`). Before a hint
is sent, a short-lived Redis key for its flow and slot is set. While the key exists, no other hint is sent for this flow
and slot. No hint is sent to a Celery queue that is already long.
"""

import logging
import re
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from queue_store.enqueueing.trace_context import current_trace_context, producer_span
from queue_store.queue_schema import broker_key

CLAIM_BATCH_TASK = "processing_queue.claim_batch"
KEY_SECONDS = 5
EXPIRES_SECONDS = 60
MAXIMUM_QUEUE_LENGTH = 200
TIMEOUT_SECONDS = 0.2

logger = logging.getLogger(__name__)


def broker_problem(url: str) -> str | None:
    """Says what is wrong with the broker's URL, or returns None. The text does not contain the URL, which may hold a
    password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "must be a URL like redis://host:6379/0: the port is not a number from 0 to 65535"
    if parts.scheme not in ("redis", "rediss", "redis+socket"):
        return "must begin with redis:// or rediss://: hints travel through Redis only"
    if parts.scheme != "redis+socket" and not re.fullmatch(r"/?\d*", parts.path):
        return "must end with the number of a Redis database, like redis://host:6379/0"
    try:
        from redis import RedisError
    except ModuleNotFoundError:
        return "cannot be used without the broker's client: pip install redis"
    try:
        connect(url).connection_pool.make_connection()
    except (ValueError, TypeError, RedisError):
        return "has a parameter that Redis clients do not know: compare with redis://host:6379/0"
    return None


def connect(url: str) -> Any:
    """A Redis client for the broker. The client never waits long, and understands the same Redis URLs as Celery.

    Raises ValueError if the client does not understand the URL, and ModuleNotFoundError if the package `redis` is
    missing.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "hints need the broker's client: pip install redis", name=error.name
        ) from None
    return redis.Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        _as_redis_spells_it(url),
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _as_redis_spells_it(url: str) -> str:
    if url.startswith("redis+socket://"):
        parts = urlsplit(url)
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        password = f":{parts.password}@" if parts.password else ""
        return f"unix://{password}{parts.path}?db={database}"
    return re.sub(r"(ssl_cert_reqs=)CERT_(\w+)", lambda found: found[1] + found[2].lower(), url)


class HintSender(Protocol):
    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        """Never raises and never waits long. Returns False if sending failed. The task `fan_out` then finds the
        records. Returns True if the hint was sent. Also returns True if no hint is needed, because a hint for this
        flow and slot is outstanding or the Celery queue is long."""
        ...


class CeleryHintSender:
    """Sends hints with any Celery application's `send_task`. Imports nothing from this project's `tasks` package."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._client: Any = None  # redis-py's own types are partly unknown
        self.failed_count = 0

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        try:
            return self._send(flow_name, celery_queue, slot)
        except Exception as error:  # noqa: BLE001  (a hint must never break an enqueue)
            self._failed(flow_name, error)
            return False

    def started(self, flow_name: str, slot: int) -> None:
        """Call this when a hint has arrived and its run is about to look for records. After this call, the next
        producer that commits sends a new hint."""
        try:
            self._redis().delete(_key(flow_name, slot))
        except Exception as error:  # noqa: BLE001  (a hint must never break a run)
            self._failed(flow_name, error)

    def is_broker_reachable(self) -> bool:
        try:
            return bool(self._redis().ping())  # pyright: ignore[reportUnknownMemberType]
        except Exception:  # noqa: BLE001  (whatever the error is, the broker cannot be reached)
            return False

    def waiting_messages(self, celery_queue: str) -> int | None:
        """How many messages are in the list of a Celery queue; None if the list cannot be read. Never raises."""
        try:
            return int(self._redis().llen(celery_queue))
        except Exception:  # noqa: BLE001  (another broker than Redis, or none)
            return None

    def _send(self, flow_name: str, celery_queue: str, slot: int) -> bool:
        pipeline = self._redis().pipeline(transaction=False)  # pyright: ignore[reportUnknownMemberType]
        pipeline.set(_key(flow_name, slot), b"1", nx=True, px=KEY_SECONDS * 1000)
        pipeline.llen(celery_queue)
        taken, queue_length = pipeline.execute()
        if not taken or queue_length >= MAXIMUM_QUEUE_LENGTH:
            return True
        if current_trace_context() is None:  # for example, for a hint that beat sends
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

    def _failed(self, flow_name: str, error: Exception) -> None:
        self.failed_count += 1
        logger.debug("no hint for %s: %s", flow_name, type(error).__name__)

    def _redis(self) -> Any:
        if self._client is None:
            self._client = connect(self._app.conf.broker_url)
        return self._client


def _key(flow_name: str, slot: int) -> str:
    return f"{broker_key('hint')}:{flow_name}:{slot}"
