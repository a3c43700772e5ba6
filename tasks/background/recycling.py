"""Replaces a worker process that uses too much memory. The process ends its run after the record in flight, gives
back the other records, and makes room for a new process. Celery's own limit acts only after a task, and a run can be
long."""

import logging

from queue_store.errors import QueueStoreError
from queue_store.liveness import worker_processes

from ..run_loop.stuck_handlers import end_process
from ..worker.services import WorkerServices
from ..worker.shared_slots import is_pool_child

MEGABYTE = 1_048_576

logger = logging.getLogger(__name__)


def recycle_when_full(services: WorkerServices, memory_bytes: int) -> None:
    """Called at each heartbeat, in the heartbeat's thread. Ends the process between two runs."""
    limit_bytes = services.settings.max_memory_mb * MEGABYTE
    if not services.is_full and (not limit_bytes or memory_bytes <= limit_bytes or not is_pool_child()):
        return
    services.is_full = True
    current = services.current_run
    if current is not None:
        current.process_is_full = True
    if services.run_lock.acquire(blocking=False):
        _end(services, memory_bytes)


def _end(services: WorkerServices, memory_bytes: int) -> None:
    logger.warning(
        "this process uses %d MB, more than MAX_MEMORY_MB=%d: a new one takes its place",
        memory_bytes // MEGABYTE, services.settings.max_memory_mb,
    )  # fmt: skip
    services.slots.leave()
    try:
        with services.database.transaction() as cursor:
            worker_processes.end(cursor, services.process.worker_process_id)
    except QueueStoreError as error:
        logger.warning("not deregistered; this process is declared dead when its lease ends: %s", error)
    end_process()
