"""How a finished record ended."""

from queue_store.explain.facts import Facts
from queue_store.explain.reasons import Reason, reason
from queue_store.plural import plural


@reason("completed", of=("completed",))
def completed(facts: Facts) -> Reason | None:
    record = facts.record
    retries = f" after {plural(record.retry_count, 'failed attempt')}" if record.retry_count else ""
    return Reason(
        "completed",
        f"It completed at {record.completed_at:%Y-%m-%d %H:%M:%S %Z}{retries}.",
        is_blocking=False,
    )


@reason("failed", of=("failed",))
def failed(facts: Facts) -> Reason | None:
    """A failed record may have crash strikes but no failed attempt: the processes that worked on it died, or its runs
    ended without an outcome for it."""
    record = facts.record
    counts = [(record.retry_count, "failed attempt"), (record.crash_strikes, "crash strike")]
    charged = " and ".join(plural(count, noun) for count, noun in counts if count)
    text = (
        f"It failed at {record.updated_at:%Y-%m-%d %H:%M:%S %Z}{f' after {charged}' if charged else ''}: "
        f"{record.error.rstrip('.')}. `queuectl reset {record.id}` tries it again."
    )
    details = {
        "retry_count": record.retry_count,
        "crash_strikes": record.crash_strikes,
        "exception_type": record.exception_type,
        "error_message": record.error_message,
    }
    return Reason("failed", text, details=details)


@reason("cancelled", of=("cancelled",))
def cancelled(facts: Facts) -> Reason | None:
    return Reason(
        "cancelled",
        f"It was cancelled at {facts.record.updated_at:%Y-%m-%d %H:%M:%S %Z}. Enqueue it again to run it.",
    )
