"""What is taken out of the broker because it kills workers: single messages, and the whole list of a Celery queue when
a worker ended again and again while it served it. Kept in Redis for a look, a bounded number for a bounded time."""

import json
import logging
from collections.abc import Iterable
from typing import Any

from queue_store.enqueueing.hints import connect

NOTES = "processing_queue:set_aside"
KEPT_SECONDS = 7 * 86_400
KEPT_NOTES = 50
KEPT_LISTS = 5
NEWS_SECONDS = 3600.0
BODY_LIMIT = 10_000
PRIORITY_SUFFIXES = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # kombu's lists for the priorities

logger = logging.getLogger(__name__)


def keep_message(broker_url: str, queue: str, body: Any, why: str) -> None:
    """Never raises: the message is dropped in any case."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        _note(connect(broker_url), {"queue": queue, "count": 1, "why": why, "body": text[:BODY_LIMIT]})
    except Exception as error:  # noqa: BLE001
        logger.warning("a dropped message could not be kept: %s", type(error).__name__)


def set_aside_queues(client: Any, queues: Iterable[str], why: str) -> int:
    """Moves the lists of these Celery queues away. Returns how many messages that were."""
    now = _now(client)
    total = 0
    for queue in queues:
        for suffix in PRIORITY_SUFFIXES:
            kept = f"{queue}{suffix}.set-aside.{now:.3f}"
            if not client.exists(queue + suffix) or not client.renamenx(queue + suffix, kept):
                continue
            count = int(client.llen(kept))
            client.expire(kept, KEPT_SECONDS)
            _note(client, {"queue": queue, "count": count, "why": why, "key": kept})
            total += count
    return total


def news(client: Any) -> list[dict[str, Any]]:
    """The notes of the last hour, the newest first. None where the broker just went away."""
    try:
        since = _now(client) - NEWS_SECONDS
        return [note for text in client.lrange(NOTES, 0, -1) if (note := json.loads(text))["at"] >= since]
    except Exception as error:  # noqa: BLE001  (whoever can write to the broker can write there too)
        logger.debug("what was set aside cannot be read: %s", type(error).__name__)
        return []


def _note(client: Any, note: dict[str, Any]) -> None:
    client.lpush(NOTES, json.dumps(note | {"at": _now(client)}))
    client.ltrim(NOTES, 0, KEPT_NOTES - 1)
    client.expire(NOTES, KEPT_SECONDS)
    lists = [key for text in client.lrange(NOTES, 0, -1) if (key := json.loads(text).get("key"))]
    for key in lists[KEPT_LISTS:]:
        client.delete(key)


def _now(client: Any) -> float:
    """Redis' clock: hosts' clocks differ and jump."""
    seconds, microseconds = client.time()
    return float(seconds) + microseconds / 1e6
