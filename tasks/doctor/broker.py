"""Checks the broker. The broker holds no records. If the broker is broken, work is slower, but no record is lost."""

from ..app import app
from ..monitoring.broker import BROKER_SECONDS, BrokerSetUp, read_broker, read_broker_set_up
from ..monitoring.rules.broker_rules import NEXT_STEPS
from .diagnosis import Diagnosis, ok, warning

NO_EVICTION = "noeviction"
VISIBILITY_SECONDS = 3_600  # Celery's default; nobody needs to change it


def broker() -> Diagnosis:
    reading, set_up = read_broker(), read_broker_set_up()
    if reading is None:
        return warning(
            "No broker is named: workers find records only by polling.",
            "set CELERY_BROKER_URL to the Redis of the fleet",
        )
    if not reading.is_reachable:
        return warning(
            f"It does not answer within {BROKER_SECONDS:g} s: workers find records by polling, more slowly.",
            "start Redis, or correct CELERY_BROKER_URL; no record is lost",
        )
    wrong = _wrong(set_up) if set_up else None
    if wrong is None and reading.error_reply:
        code = reading.error_reply.partition(" ")[0]
        wrong = warning(
            f"It answers with an error: {reading.error_reply}.", NEXT_STEPS.get(code, "read the broker's log")
        )
    if wrong:
        return wrong
    if set_up is None:
        return ok("it answers, but its INFO could not be read.")
    return ok(f"{set_up.product} {set_up.version} answers; it evicts nothing.")


def _wrong(set_up: BrokerSetUp) -> Diagnosis | None:
    if set_up.is_replica:
        return warning(
            "It is a replica and takes no writes: no hint can be sent.",
            "name the primary in CELERY_BROKER_URL",
        )
    if set_up.eviction_policy not in ("", NO_EVICTION):
        return warning(
            f"maxmemory-policy is {set_up.eviction_policy}: a full Redis then drops hints silently.",
            "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
        )
    seconds = app.conf.broker_transport_options.get("visibility_timeout", VISIBILITY_SECONDS)
    if seconds < VISIBILITY_SECONDS:
        return warning(
            f"visibility_timeout is {seconds:g} s: messages are delivered again while workers still process them.",
            "remove it from broker_transport_options: Celery's default suffices, because no record waits for a message",
        )
    return None
