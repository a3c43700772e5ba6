"""The watch: one worker process, elected by a lease row, judges the queue every twenty seconds, keeps the alerts, and
looks after what was left behind. So a wedged beat, worker or database is reported although beat sends nothing. A
thread of its own, because a judgement or a webhook may take longer than a heartbeat can wait."""

import logging
import random
import threading
import time

from psycopg.errors import InsufficientPrivilege

from queue_store.database.vacuum import vacuum_forgotten_tables
from queue_store.errors import DatabaseUnavailableError, QueueStoreError
from queue_store.liveness.worker_processes import take_watch

from ..alerts.checking import check_queue, report_unreachable
from ..alerts.deadline import call_with_deadline
from ..worker.services import WorkerServices

TAKE_SECONDS = 10.0
JUDGE_SECONDS = 20.0
LEASE_SECONDS = 25.0
ANSWER_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Watch(threading.Thread):
    def __init__(self, services: WorkerServices) -> None:
        super().__init__(name="watch", daemon=True)
        self._services = services
        self._ended = threading.Event()
        self._judge_at = 0.0

    def run(self) -> None:
        while not self._ended.wait(TAKE_SECONDS * random.uniform(0.8, 1)):  # noqa: S311
            try:
                self.look()
            except InsufficientPrivilege:
                logger.info("this login may not keep the watch: the workers of the control queue do")
                return
            except QueueStoreError as error:
                logger.warning("no watch: %s", error)
            except Exception:
                logger.exception("the watch failed, it goes on")

    def end(self) -> None:
        self._ended.set()

    def look(self) -> None:
        """Raises InsufficientPrivilege where this login may not watch."""
        database, settings = self._services.database, self._services.settings
        try:
            is_mine = call_with_deadline(self._take, ANSWER_SECONDS, thread_name="watch_lease")
        except DatabaseUnavailableError as error:
            if self._services.slots.is_first:  # one process of each worker reports it
                report_unreachable(database, settings, error, notify=True)
            return
        if is_mine and time.monotonic() >= self._judge_at:
            self._judge_at = time.monotonic() + JUDGE_SECONDS
            self._services.rescue.sweep()
            self._services.rescue.sweep_overdue()
            vacuum_forgotten_tables(database)
            check_queue(database, settings, notify=True)

    def _take(self) -> bool:
        with self._services.database.transaction() as cursor:
            return take_watch(cursor, self._services.process.worker_process_id, LEASE_SECONDS)
