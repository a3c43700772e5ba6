"""A look at the broker: it needs no database."""

from collections.abc import Sequence
from dataclasses import dataclass

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


def _connects() -> bool:
    try:
        with app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception:  # noqa: BLE001  (kombu raises what its transport raises)
        return False
    return True
