"""Before a pool child ends, it waits until the main process has read the result of its last task. This module limits
that wait.

billiard waits up to 30 s, so that no result is lost. Celery's main process does not need this time: after the child's
end, it reads what is left in the pipe. But it can happen that the main process never reads the result of a task that it
has given up. billiard would then wait the full time. Celery gives up a task if a warm shutdown begins before the main
process has read that the child has accepted the task
(findings/celery-5-7-ends-30-seconds-late-after-an-unaccepted-task.sh)."""

from billiard import pool

WAIT_SECONDS = 1.0


def bound_wait_for_unread_results() -> None:
    """Call this in each pool child."""
    interval: float = pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_INTERVAL
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = round(WAIT_SECONDS / interval)
