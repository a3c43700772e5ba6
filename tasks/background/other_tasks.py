"""Lets one worker run both flows and those tasks of an application that are not durable. A child never executes a
non-durable task and a run at the same time.

A message starts a non-durable task in the main thread of a child. A run that began without a hint may be active in
another thread of that child. The run then gives back the records that it has not started, and the task waits for the
run to end. The time limit of the task begins after this wait.

While the main thread executes one of the queue's own tasks, it holds `task_lock`, so that recycling.py does not end the
process during the task. In a process that ends because of a stuck handler, no task begins: the task would be
interrupted.
"""

import logging
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from celery import Celery, signals
from celery.app.trace import build_tracer
from celery.exceptions import SoftTimeLimitExceeded

from ..authoring.registry import applications
from ..celery_hardening.other_request import LIMITS_HEADER, OtherRequest
from ..celery_hardening.own_task import OwnTask
from ..worker.time_limit import soft_limit

if TYPE_CHECKING:
    from ..worker.services import WorkerServices

LOOK_SECONDS = 0.05
CELERYS_OWN = "celery."

logger = logging.getLogger(__name__)

_limits: dict[str, tuple[float | None, float | None]] = {}
_default_limits: list[float | None] = [None, None]
_held = ExitStack()


def serve_other_tasks(worker_app: Celery) -> None:
    """Let the worker run the tasks of all `DurableCelery` applications that the worker's modules have made.
    Idempotent."""
    for application in applications():
        for name, task in application.tasks.items():
            is_known = worker_app.tasks.get(name)
            if name.startswith(CELERYS_OWN) or is_known is task or isinstance(is_known, OwnTask):
                continue
            declared = getattr(task, "declared_limits", None) or (task.time_limit, task.soft_time_limit)
            _limits[name] = task.declared_limits = declared
            task.time_limit = task.soft_time_limit = None  # so that the pool does not apply these limits
            task.Request = f"{OtherRequest.__module__}:{OtherRequest.__name__}"
            worker_app.tasks[name] = task


def trace_other_tasks(worker_app: Celery, hostname: str | None) -> None:
    """Builds the missing tracers. In a spawned child, Celery builds tracers before the child loads the applications'
    tasks."""
    for name, task in worker_app.tasks.items():
        if task.__trace__ is None:
            task.__trace__ = build_tracer(name, task, worker_app.loader, hostname, app=worker_app)


def take_limits_from_pool(worker: Any) -> None:
    """Apply `--time-limit` to non-durable tasks only, because at this limit the pool would also end a run. Call this
    when the pool exists and has not started yet."""
    _default_limits[:] = [worker.time_limit, worker.soft_time_limit]
    worker.pool.options.update(timeout=None, soft_timeout=None)


def watch_other_tasks() -> None:
    """Ensures that non-durable tasks and runs never execute at the same time, and that a process that uses
    too much memory does not end during one of the queue's own tasks. Call this in a pool child."""
    signals.task_prerun.connect(_begin, dispatch_uid="processing_queue.begin", weak=False)
    signals.task_postrun.connect(_end, dispatch_uid="processing_queue.end", weak=False)


def _begin(task: Any = None, **_: Any) -> None:
    from ..worker.services import worker_services

    if not _is_other(task) and not _is_own(task):
        return
    _held.close()
    services = worker_services()
    services.wait_while_ending()
    if _is_own(task):
        services.task_lock.acquire()
        _held.callback(services.task_lock.release)
        return
    _wait_for_the_run(services)
    _held.callback(services.run_lock.release)
    hard, soft = _limits_of(task)
    if hard is not None:
        timer = threading.Timer(hard, _end_child, (task.name, hard))
        timer.daemon = True
        timer.start()
        _held.callback(timer.cancel)
    if soft is not None:
        _held.enter_context(soft_limit(soft, SoftTimeLimitExceeded))


def _end(task: Any = None, **_: Any) -> None:
    if _is_other(task) or _is_own(task):
        _held.close()


def _is_own(task: Any) -> bool:
    """Whether this task is one of the queue's own tasks, and a message started it."""
    return isinstance(task, OwnTask) and not task.request.is_eager


def _is_other(task: Any) -> bool:
    """Whether this task is an application's own, non-durable task that a message started."""
    request = task.request
    return (
        not isinstance(task, OwnTask) and getattr(request, "durable", None) is None and not request.is_eager
    )


def _wait_for_the_run(services: "WorkerServices") -> None:
    """Acquires `run_lock`."""
    while not _acquires_run_lock(services):
        services.wait_while_ending()
        current = services.current_run
        if current is not None:
            current.is_in_the_way = True


def _acquires_run_lock(services: "WorkerServices") -> bool:
    """Takes no lock in a process that is ending, so that `abort_process` can take it."""
    if services.is_ending or not services.run_lock.acquire(timeout=LOOK_SECONDS):
        return False
    if services.is_ending:
        services.run_lock.release()
    return not services.is_ending


def _limits_of(task: Any) -> tuple[float | None, float | None]:
    said = getattr(task.request, LIMITS_HEADER, None) or (None, None)
    declared = _limits.get(task.name, (None, None))
    hard, soft = (s or d or default for s, d, default in zip(said, declared, _default_limits, strict=True))
    return hard, soft


def _end_child(name: str, seconds: float) -> None:
    from ..run_loop.stuck_handlers import end_process
    from ..worker.services import worker_services

    logger.error("%s did not end within its time limit of %g s: its process ends", name, seconds)
    worker_services().slots.leave()
    end_process()
