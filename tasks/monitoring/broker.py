"""A look at the broker: it needs no database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queue_store.enqueueing.hints import CeleryHintSender, connect

from ..app import app
from ..celery_hardening.quarantine import Note, news

BROKER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class BrokerReading:
    """`quarantine_notes`: those of the last hour, the newest first; empty for a broker that is not Redis."""

    is_reachable: bool
    quarantine_notes: Sequence[Note] = ()


def read_broker() -> BrokerReading:
    """Never raises: a broker that does not answer in BROKER_SECONDS is not reachable."""
    if not app.conf.broker_url:
        return BrokerReading(is_reachable=False)
    try:
        client = connect(app.conf.broker_url)
    except ValueError:  # not Redis
        return BrokerReading(is_reachable=_connects())
    if not CeleryHintSender(app).is_broker_reachable():
        return BrokerReading(is_reachable=False)
    return BrokerReading(is_reachable=True, quarantine_notes=news(client))


@dataclass(frozen=True, slots=True)
class BrokerSetUp:
    """`eviction_policy`: empty where the server does not tell it."""

    product: str
    version: str
    eviction_policy: str
    is_replica: bool


def read_broker_set_up() -> BrokerSetUp | None:
    """None for a broker that is not Redis, does not answer, or does not say. Never raises."""
    try:
        said: dict[str, Any] = connect(app.conf.broker_url).info()
    except Exception:  # noqa: BLE001  (whatever keeps it from an answer)
        return None
    is_valkey = "valkey_version" in said
    return BrokerSetUp(
        product="Valkey" if is_valkey else "Redis",
        version=str(said.get("valkey_version" if is_valkey else "redis_version", "of an unknown version")),
        eviction_policy=str(said.get("maxmemory_policy", "")),
        is_replica=said.get("role") in ("slave", "replica"),
    )


def queue_length(celery_queue: str) -> int | None:
    """How many messages wait in a Celery queue; None where nobody can tell. Never raises."""
    try:
        return int(connect(app.conf.broker_url).llen(celery_queue))
    except Exception:  # noqa: BLE001
        return None


def _connects() -> bool:
    try:
        with app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception:  # noqa: BLE001  (kombu raises what its transport raises)
        return False
    return True
