"""Checks the broker. Does not need the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queue_store.enqueueing.hints import CeleryHintSender, connect
from queue_store.queue_schema import celery_queue_name
from queue_store.redaction import redact

from ..app import app
from ..celery_hardening.quarantine import Note, news

BROKER_SECONDS = 2.0
PROBE_KEY, PROBE_MILLISECONDS = "processing_queue:probe", 1_000
REPLY_LENGTH = 200
# An error reply begins with a code. The Redis client turns some codes into exception classes, and removes these
# codes from the text.
CODES = {
    "ReadOnlyError": "READONLY",
    "OutOfMemoryError": "OOM",
    "BusyLoadingError": "LOADING",
    "ClusterDownError": "CLUSTERDOWN",
    "MasterDownError": "MASTERDOWN",
    "NoPermissionError": "NOPERM",
    "AuthenticationError": "NOAUTH",
}


@dataclass(frozen=True, slots=True)
class BrokerReading:
    """`quarantine_notes`: the notes of the last hour about quarantined messages, the newest first; empty for a
    broker that is not Redis. `error_reply`: the error, such as READONLY, with which the broker answers a write; None
    if the write succeeds. `control_messages`: how many messages wait in the Celery queue `control`; None if the
    number cannot be read."""

    is_reachable: bool
    quarantine_notes: Sequence[Note] = ()
    control_messages: int | None = None
    error_reply: str | None = None


def read_broker() -> BrokerReading | None:
    """Never raises. A broker that does not answer within BROKER_SECONDS counts as unreachable. Returns None if this
    process has no URL of a broker, and so knows nothing about the broker."""
    if not app.conf.broker_url:
        return None
    try:
        client = connect(app.conf.broker_url)
    except ValueError:  # not Redis
        return BrokerReading(is_reachable=_connects())
    sender, error_reply = CeleryHintSender(app), _error_reply(client)
    if error_reply is None and not sender.is_broker_reachable():
        return BrokerReading(is_reachable=False)
    return BrokerReading(
        is_reachable=True,
        quarantine_notes=news(client),
        control_messages=sender.waiting_messages(celery_queue_name("control")),
        error_reply=error_reply,
    )


def _error_reply(client: Any) -> str | None:
    """Writes a key, and returns the error that the broker answers. Returns None if the broker answers with no error, or
    does not answer."""
    from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

    try:
        client.set(PROBE_KEY, b"1", px=PROBE_MILLISECONDS)
    except (ResponseError, BusyLoadingError, AuthenticationError) as error:
        code = CODES.get(type(error).__name__, "")
        text = " ".join(str(error).split())
        return redact(text if text.startswith(code) else f"{code} {text}", REPLY_LENGTH)
    except Exception:  # noqa: BLE001  (after any other error, the broker counts as unreachable)
        return None
    return None


@dataclass(frozen=True, slots=True)
class BrokerSetUp:
    """`eviction_policy`: empty if the server does not report it."""

    product: str
    version: str
    eviction_policy: str
    is_replica: bool


def read_broker_set_up() -> BrokerSetUp | None:
    """Returns None for a broker that is not Redis, does not answer, or refuses INFO. Never raises."""
    try:
        said: dict[str, Any] = connect(app.conf.broker_url).info()
    except Exception:  # noqa: BLE001  (any error means that there is no answer)
        return None
    is_valkey = "valkey_version" in said
    return BrokerSetUp(
        product="Valkey" if is_valkey else "Redis",
        version=str(said.get("valkey_version" if is_valkey else "redis_version", "of an unknown version")),
        eviction_policy=str(said.get("maxmemory_policy", "")),
        is_replica=said.get("role") in ("slave", "replica"),
    )


def _connects() -> bool:
    try:
        with app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception:  # noqa: BLE001  (kombu raises what its transport raises)
        return False
    return True
