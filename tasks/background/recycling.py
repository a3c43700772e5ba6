"""Replaces a worker process that uses too much memory. The process ends its run after the record in flight, and gives
back the other records. The process also finishes a task of the queue itself, such as maintenance. Then the process
ends, and the pool starts a new one. Celery applies its own memory limit only when a task ends. That would be too late,
because a run can take a long time."""

import logging

from queue_store.errors import QueueStoreError
from queue_store.liveness import worker_processes

from ..run_loop.stuck_handlers import end_process
from ..worker.services import WorkerServices
from ..worker.shared_slots import is_pool_child

MEGABYTE = 1_048_576
TASK_SECONDS = 0.1  # the wait for a task to end; without it, many short tasks could keep the process alive

logger = logging.getLogger(__name__)


def recycle_when_full(services: WorkerServices, memory_bytes: int) -> None:
    """Each heartbeat calls this function, outside of the main thread. Ends a process that uses too much memory, but
    only while the process executes neither a run nor a task. If `abort_process` already ends the process, does
    nothing."""
    if services.is_ending:
        return
    limit_bytes = services.settings.max_memory_mb * MEGABYTE
    if not services.is_full and (not limit_bytes or memory_bytes <= limit_bytes or not is_pool_child()):
        return
    services.is_full = True
    current = services.current_run
    if current is not None:
        current.process_is_full = True
    if not services.run_lock.acquire(blocking=False):
        return
    if services.task_lock.acquire(timeout=TASK_SECONDS):
        _end(services, memory_bytes)
    else:
        services.run_lock.release()


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
        logger.warning("could not deregister; this process is declared dead when its lease ends: %s", error)
    finally:  # both locks are held, so this process could do nothing more
        end_process()
