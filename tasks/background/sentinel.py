"""One worker process, elected by a lease row, is the sentinel. The sentinel checks the queue about every 20 s and
rescues orphans. So a stuck beat, worker or database is reported even if beat sends nothing. The sentinel has a thread
of its own, because a check or a webhook could delay a heartbeat for too long.

A process imports the modules for a check at its first check, because most processes never make a check."""

import logging
import random
import threading
import time

from psycopg.errors import InsufficientPrivilege

from queue_store.database.vacuum import vacuum_forgotten_tables
from queue_store.errors import DatabaseUnavailableError, QueueStoreError
from queue_store.liveness.worker_processes import take_sentinel_lease

from ..monitoring.deadline import call_with_deadline
from ..worker.services import WorkerServices

RENEW_SECONDS = 10.0
CHECK_SECONDS = 15.0  # rounds take 8 to 10 s, so every second round makes a check
LEASE_SECONDS = 25.0
ANSWER_SECONDS = 10.0

logger = logging.getLogger(__name__)


class Sentinel(threading.Thread):
    def __init__(self, services: WorkerServices) -> None:
        super().__init__(name="sentinel", daemon=True)
        self._services = services
        self._ended = threading.Event()
        self._check_at = 0.0

    def run(self) -> None:
        while not self._ended.wait(RENEW_SECONDS * random.uniform(0.8, 1)):  # noqa: S311
            try:
                self.check()
            except InsufficientPrivilege:
                self._say_who_may()
                return
            except QueueStoreError as error:
                logger.warning("could not check the queue: %s", error)
            except Exception:
                logger.exception("a check of the queue failed; the next one is tried as usual")

    def end(self) -> None:
        self._ended.set()

    def check(self) -> None:
        """Takes or renews the lease. The holder of the lease rescues orphans and checks the queue, unless the holder's
        last check began less than CHECK_SECONDS ago. A process that makes no check still knows that the server takes
        writes, because its UPDATE of the lease raised no error. If such a process is the first of its worker, it does
        two things: it notifies the contacts when an outage that this machine reported is over, and it sends the waiting
        notifications for which it has channels.

        Raises InsufficientPrivilege if this login is not allowed to be the sentinel."""
        database, settings = self._services.database, self._services.settings
        try:
            is_mine = call_with_deadline(self._take_lease, ANSWER_SECONDS, thread_name="sentinel_lease")
        except DatabaseUnavailableError as error:
            if self._services.slots.is_first:  # only one process of each worker reports the error
                from ..alerts.checking import report_unusable

                report_unusable(database, settings, error, notify=True)
            return
        if is_mine and time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_SECONDS
            self._services.rescue.sweep()
            self._services.rescue.sweep_overdue()
            vacuum_forgotten_tables(database)
            from ..alerts.checking import check_queue

            check_queue(database, settings, notify=True)
        elif self._services.slots.is_first:
            from ..alerts.sending import send_what_waits
            from ..alerts.unusable import QUIET_SECONDS, note_usable

            note_usable(database, settings, QUIET_SECONDS)
            send_what_waits(database, settings)

    def _say_who_may(self) -> None:
        from ..alerts.sending import reachable_contacts
        from ..alerts.unusable import QUIET_SECONDS, note_usable

        logger.info("this login may not act as the sentinel: a worker of the control queue must do so")
        if len(reachable_contacts(self._services.settings)) > 1:
            logger.warning(
                "this login may not send alerts, so the settings CONTACT_* have no effect here: set them for the "
                "workers of the control queue"
            )
        # This process makes no more checks. If it has reported an outage, it must still report that the outage is over.
        if self._services.slots.is_first and not self._ended.wait(QUIET_SECONDS):
            note_usable(self._services.database, self._services.settings)

    def _take_lease(self) -> bool:
        with self._services.database.transaction() as cursor:
            return take_sentinel_lease(cursor, self._services.process.worker_process_id, LEASE_SECONDS)
