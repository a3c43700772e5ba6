"""Sends heartbeats during a long call. Without heartbeats, the database row of that call could count as abandoned
before the call ends."""

import logging
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Cursor

from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError

logger = logging.getLogger(__name__)


@contextmanager
def beating(
    database: DatabaseManager, beat: Callable[[Cursor[Any]], bool], seconds: float, thread_name: str, of: str
) -> Generator[None]:
    """In this block, a thread calls `beat` every `seconds` seconds. Each call has a transaction of its own. The thread
    ends when `beat` returns False, but not after an error. `of`: the name of the work in the log."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(seconds):
            try:
                with database.transaction() as cursor:
                    if not beat(cursor):
                        return
            except QueueStoreError as error:
                logger.warning("no heartbeat for %s: %s", of, error)
            except Exception:
                logger.exception("a heartbeat for %s failed; the next one is tried as usual", of)

    thread = threading.Thread(target=repeat, name=thread_name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
