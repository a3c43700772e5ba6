"""Reports the progress of long maintenance operations."""

import time

from queue_store.plural import plural

from .frame import say

PROGRESS_SECONDS = 2.0


class Progress:
    """Reports progress on stderr, at most once every PROGRESS_SECONDS. A command that ends sooner reports nothing."""

    def __init__(self) -> None:
        self._said_at = time.monotonic()

    def __call__(self, operation: str, affected_count: int) -> None:
        if affected_count and time.monotonic() - self._said_at >= PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            say(f"{operation}: {plural(affected_count, 'row')} so far …", err=True)
