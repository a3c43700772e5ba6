"""How a finished record ended."""

from queue_store.explain.facts import Facts
from queue_store.explain.reasons import Reason, reason


@reason("completed", of=("completed",))
def completed(facts: Facts) -> Reason | None:
    record = facts.record
    retries = f" after {record.retry_count} failed attempt(s)" if record.retry_count else ""
    return Reason(
        "completed",
        f"It completed at {record.completed_at:%Y-%m-%d %H:%M:%S %Z}{retries}.",
        is_blocking=False,
    )


@reason("failed", of=("failed",))
def failed(facts: Facts) -> Reason | None:
    """A record with crash strikes and no failed attempt failed because its processes died."""
    record = facts.record
    text = (
        f"It failed at {record.updated_at:%Y-%m-%d %H:%M:%S %Z} after {record.retry_count} failed attempt(s) and "
        f"{record.crash_strikes} crash strike(s): {(record.error_message or '').rstrip('.')}. "
        f"`queuectl reset {record.id}` tries it again."
    )
    details = {"retry_count": record.retry_count, "crash_strikes": record.crash_strikes}
    return Reason("failed", text, details=details)


@reason("cancelled", of=("cancelled",))
def cancelled(facts: Facts) -> Reason | None:
    return Reason(
        "cancelled",
        f"It was cancelled at {facts.record.updated_at:%Y-%m-%d %H:%M:%S %Z}. Enqueue it again to run it.",
    )
