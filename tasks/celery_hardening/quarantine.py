"""The quarantine for messages that kill workers. The quarantine takes single messages that Celery cannot handle. The
quarantine also takes the whole list of a Celery queue if a worker that served this queue ended again and again. For a
single message, only a note without the body is kept, because the body may contain a payload. A list is kept unchanged.
Redis keeps a bounded number of notes and lists for a bounded time."""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from queue_store.enqueueing.hints import connect
from queue_store.queue_schema import broker_key
from queue_store.redaction import redact

KEPT_SECONDS = 7 * 86_400
KEPT_NOTES = 50
KEPT_LISTS = 5
NEWS_SECONDS = 3600.0
NOTE_BYTES = 4_000
TEXT_LENGTH = 200
PRIORITY_SUFFIXES = ("", "\x06\x163", "\x06\x166", "\x06\x169")  # Kombu adds one of them to a queue's name

MARK = ".quarantined."
MOST_MESSAGES = 1_000_000_000

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """`count` messages of the Celery queue `queue` were quarantined at `at`, by Redis' clock. `key`: the key of the
    list that holds the messages; None if the note is about a single message that was dropped."""

    queue: str
    count: int
    why: str
    at: float
    key: str | None


def notes_key() -> str:
    """The key of the list of notes in Redis. The newest note is the first one."""
    return broker_key("quarantine")


def keep_message(broker_url: str, queue: str, headers: Any, body: Any, why: str) -> None:
    """Keeps a note of a message that is dropped. Never raises, because the message is dropped in any case."""
    said = headers if isinstance(headers, dict) else {}
    note = {
        "queue": _shown(queue),
        "count": 1,
        "why": why,
        "bytes": len(body) if isinstance(body, str | bytes) else 0,
    }
    note |= {name: _shown(said[name]) for name in ("task", "id", "origin") if name in said}
    try:
        _note(connect(broker_url), note)
    except Exception as error:  # noqa: BLE001
        logger.warning("a dropped message could not be put into the quarantine: %s", type(error).__name__)


def quarantine_queues(client: Any, queues: Iterable[str], why: str) -> int:
    """Move the lists of these Celery queues into the quarantine. Returns the number of messages that were moved."""
    now = _now(client)
    total = 0
    for queue in queues:
        for suffix in PRIORITY_SUFFIXES:
            kept = f"{queue}{suffix}{MARK}{now:.3f}"
            if not client.exists(queue + suffix) or not client.renamenx(queue + suffix, kept):
                continue
            count = int(client.llen(kept))
            client.expire(kept, KEPT_SECONDS)
            _note(client, {"queue": queue, "count": count, "why": why, "key": kept})
            total += count
    return total


def news(client: Any) -> list[Note]:
    """Return the notes of the last hour, the newest first. Returns no notes if the broker does not answer.

    Other programs can write to the list in Redis, so a text that is not one of our notes is left out.
    """
    try:
        now, texts = _now(client), client.lrange(notes_key(), 0, KEPT_NOTES - 1)
    except Exception as error:  # noqa: BLE001  (a broker that just went away)
        logger.debug("the quarantine cannot be read: %s", type(error).__name__)
        return []
    notes = [note for text in texts if (note := _read(text)) is not None]
    return [note for note in notes if now - NEWS_SECONDS <= note.at <= now + NEWS_SECONDS]


def _read(text: bytes) -> Note | None:
    try:
        said: Any = json.loads(text) if len(text) <= NOTE_BYTES else None
        count, at = int(said["count"]), float(said["at"])
        return Note(
            queue=_shown(said["queue"]),
            count=min(max(count, 0), MOST_MESSAGES),
            why=_shown(said["why"]),
            at=at,
            key=str(said["key"])[:TEXT_LENGTH] if "key" in said else None,
        )
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _note(client: Any, note: dict[str, Any]) -> None:
    key = notes_key()
    client.lpush(key, json.dumps(note | {"at": _now(client)}))
    client.ltrim(key, 0, KEPT_NOTES - 1)
    client.expire(key, KEPT_SECONDS)
    notes = [_read(text) for text in client.lrange(key, 0, KEPT_NOTES - 1)]
    lists = [note.key for note in notes if note is not None and note.key is not None]
    for key in lists[KEPT_LISTS:]:
        if MARK in key:
            client.delete(key)


def _shown(text: object) -> str:
    return redact(str(text), TEXT_LENGTH).replace("\n", " ")


def _now(client: Any) -> float:
    """The time by Redis' clock, because hosts' clocks differ and jump."""
    seconds, microseconds = client.time()
    return float(seconds) + microseconds / 1e6
