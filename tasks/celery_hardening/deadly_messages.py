"""Counts the pool children that ended while they worked on a message. Celery gives such a message back to the broker
(`reject_on_worker_lost`). Without a bound, a message that ends each child would be delivered again and again."""

from billiard.common import human_status
from billiard.pool import EX_RECYCLE

MOST_ENDS = 3
KEPT_IDS = 1_000

_ends: dict[str, int] = {}  # by message id; the message that ended a child most recently comes last


def has_ended_too_many(message_id: str, error: BaseException | None) -> bool:
    """Call this in the main process, once for each child that ended. `error`: Celery's error, which names the exit
    code. Returns whether the message has ended MOST_ENDS children of this worker. A child that ended
    itself, for example because of its memory (tasks/run_loop/stuck_handlers.py), does not count."""
    if human_status(EX_RECYCLE) in str(error):
        return False
    count = _ends.pop(message_id, 0) + 1
    if count >= MOST_ENDS:
        return True
    _ends[message_id] = count
    if len(_ends) > KEPT_IDS:
        del _ends[next(iter(_ends))]
    return False
