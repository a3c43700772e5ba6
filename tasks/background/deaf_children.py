"""A child cannot receive an operator's request to end its handler if the handler holds the interpreter's lock, or if
the child is frozen. In this case, the worker's main process reads the request and kills the child. The child that
replaces the killed one gives the record in flight a crash strike, and gives back the other records.

The main process keeps no connection, because children are forked from it. The main process asks the database only while
a child with a record in flight is silent, and opens a new connection for each question."""

import logging
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from celery import bootsteps

from queue_store.database.manager import DatabaseManager
from queue_store.errors import QueueStoreError
from queue_store.liveness.worker_processes import ProcessToEnd, read_end_requests

from ..monitoring.deadline import call_with_deadline
from ..worker.shared_slots import SEVERAL_IN_FLIGHT, BusyChild, SharedSlots, shared_slots

LOOK_SECONDS = 0.5
DEAF_SECONDS = 1.5  # a heartbeat thread reports every 0.1 s if it can run
ASK_SECONDS = 1.0
ASK_AGAIN_AFTER_ERROR_SECONDS = 5.0
ANSWER_SECONDS = 2.0

logger = logging.getLogger(__name__)


class DeafChildren(bootsteps.StartStopStep):
    """Finds and kills children that cannot receive the request to end their handler. Runs in the main process of a
    prefork worker."""

    requires = ("celery.worker.components:Pool",)

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        pool = getattr(worker.pool, "_pool", None)
        if pool is not None:
            hub.call_repeatedly(LOOK_SECONDS, DeafChildrenWatch(pool, shared_slots).look)


class DeafChildrenWatch:
    """`pool`: billiard's pool, whose attribute `_pool` lists the living children with their indexes."""

    def __init__(self, pool: Any, slots: SharedSlots) -> None:
        self._pool = pool
        self._slots = slots
        self._ask_at = 0.0

    def look(self) -> None:
        deaf = self._deaf()
        if not deaf or time.monotonic() < self._ask_at:
            return
        self._ask_at = time.monotonic() + ASK_SECONDS
        ids = [child.worker_process_id for child in deaf.values()]
        try:
            requests = call_with_deadline(lambda: _read(ids), ANSWER_SECONDS, thread_name="deaf_children")
        except QueueStoreError as error:
            self._ask_at = time.monotonic() + ASK_AGAIN_AFTER_ERROR_SECONDS
            logger.warning("cannot read whether a silent child is to be ended: %s", error)
            return
        for request in requests:
            self._end(request, deaf)

    def _deaf(self) -> dict[int, BusyChild]:
        """The busy children whose heartbeat has not run for DEAF_SECONDS, by pid."""
        heard_before = time.monotonic() - DEAF_SECONDS
        deaf: dict[int, BusyChild] = {}
        for process in list(self._pool._pool):
            child = self._slots.busy_child(getattr(process, "index", 0) or 0)
            if child is not None and child.heard_at < heard_before and process.pid:
                deaf[process.pid] = child
        return deaf

    def _end(self, request: ProcessToEnd, deaf: dict[int, BusyChild]) -> None:
        """Kill the child that the request names, but only if the child is still working on the request's record."""
        child = deaf.get(request.pid)
        if (
            child is None
            or child.worker_process_id != request.worker_process_id
            or child.record_id not in (request.record_id, SEVERAL_IN_FLIGHT)
            or self._slots.busy_child(child.index) != child
        ):
            return
        self._slots.blame(child.index, request.record_id)
        os.kill(request.pid, signal.SIGKILL)
        logger.error(
            "killed child %d, which did not react when %s asked to end the handler of record %d",
            request.pid, request.requested_by, request.record_id,
        )  # fmt: skip


def _read(worker_process_ids: Sequence[Any]) -> list[ProcessToEnd]:
    database = DatabaseManager(application_name="processing_queue main")
    try:
        with database.transaction() as cursor:
            return read_end_requests(cursor, worker_process_ids)
    finally:
        database.dispose()
