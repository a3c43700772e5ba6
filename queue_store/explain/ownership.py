"""Reasons why a processing record has not finished. Only the record's owner, rescue or a repair can change the record's
status."""

from datetime import timedelta

from queue_store.explain.facts import Facts
from queue_store.explain.reasons import FLOW, Reason, lasting, reason
from queue_store.plural import plural, word

PROCESSING = ("processing",)
MISSED_BEATS = 2  # a run is called silent after missing this many heartbeats


@reason("owner_missing", of=PROCESSING)
def owner_missing(facts: Facts) -> Reason | None:
    if facts.record.run_state is not None:
        return None
    text = f"Its run {facts.record.flow_instance_id} does not exist: rescue gives the record back within a minute."
    return Reason("owner_missing", text)


@reason("owner_gone", of=PROCESSING)
def owner_gone(facts: Facts) -> Reason | None:
    record = facts.record
    if record.run_state not in ("dead", "ended"):
        return None
    text = f"Its {record.owner} is {record.run_state}: the next sweep of rescue gives the record back."
    return Reason("owner_gone", text, until=facts.now)


@reason("owner_silent", of=PROCESSING)
def owner_silent(facts: Facts) -> Reason | None:
    record, settings = facts.record, facts.settings
    if record.run_state not in ("running", "stopping") or record.run_heartbeat_at is None:
        return None
    silent_seconds = (facts.now - record.run_heartbeat_at).total_seconds()
    if silent_seconds <= MISSED_BEATS * settings.heartbeat_seconds:
        return None
    lease = timedelta(seconds=settings.lease_seconds)
    rescue_at = max(record.run_heartbeat_at, record.server_came_back_at or record.run_heartbeat_at) + lease
    text = (
        f"Its {record.owner} has been silent for {lasting(silent_seconds)}. "
        f"Unless a heartbeat arrives, the record is rescued at or soon after {rescue_at:%Y-%m-%d %H:%M:%S %Z}."
    )
    return Reason("owner_silent", text, until=rescue_at)


@reason("claimed_too_long_ago", of=PROCESSING)
def claimed_too_long_ago(facts: Facts) -> Reason | None:
    record = facts.record
    limit_seconds = max(facts.settings.cleanup_timeout_hours * 3600, facts.flow.orphan_timeout_seconds)
    if record.claimed_at is None or (facts.now - record.claimed_at).total_seconds() <= limit_seconds:
        return None
    text = f"It was claimed longer ago than the orphan timeout of {lasting(limit_seconds)}: rescue gives it back soon."
    return Reason("claimed_too_long_ago", text)


@reason("cancel_asked", of=PROCESSING)
def cancel_asked(facts: Facts) -> Reason | None:
    record = facts.record
    if record.cancel_requested_at is None:
        return None
    ago = lasting((facts.now - record.cancel_requested_at).total_seconds())
    text = (
        f"{record.cancel_requested_by} asked {ago} ago to cancel it. The record is cancelled when the handler checks "
        f"for the request, or returns. `queuectl end {record.id}` ends a handler that does neither."
    )
    return Reason("cancel_asked", text, is_blocking=False)


@reason("running", of=PROCESSING)
def running(facts: Facts) -> Reason | None:
    record = facts.record
    if record.run_state not in ("running", "stopping") or record.claimed_at is None:
        return None
    since = lasting((facts.now - record.claimed_at).total_seconds())
    text = f"It is in the batch that {record.owner} claimed {since} ago."
    return Reason(
        "running", text, is_blocking=False, details={"flow_instance_id": str(record.flow_instance_id)}
    )


@reason("runs_alive", of=(FLOW,))
def runs_alive(facts: Facts) -> Reason | None:
    if not facts.runs:
        return None
    places = ", ".join(sorted({run.hostname or "unknown" for run in facts.runs}))
    text = f"{plural(len(facts.runs), 'run')} {word(len(facts.runs), 'is', 'are')} alive, on {places}."
    return Reason("runs_alive", text, is_blocking=False, details={"run_count": len(facts.runs)})
