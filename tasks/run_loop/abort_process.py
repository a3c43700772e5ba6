"""Ends a process whose handler does not stop. Outcomes that are known are written, and the other records are given
back. The pool starts a new child. No record gets a crash strike.

The stuck handler may return while its process ends. The process then begins no other work, because the end of the
process would interrupt that work."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from queue_store.errors import ConflictError, DatabaseUnavailableError, QueueStoreError
from queue_store.liveness import worker_processes
from queue_store.plural import plural
from queue_store.records.record import Outcome
from queue_store.runs.run import Run
from queue_store.runs.sessions import SHORT_WAIT, are_over, terminate_sessions

from ..authoring.flow import Flow
from ..exceptions import HandlerEndedError, TimeLimitExceededError
from ..worker.current_run import CurrentRun
from ..worker.services import WorkerServices
from .apart import NOT_WRITTEN, write_apart
from .failures import failure_of
from .stuck_handlers import StuckHandler, end_process

TRY_AGAIN_SECONDS = 1.0
OTHER_WORK_SECONDS = 10.0
# The part of the lease during which the outcomes may wait for the locks that their follow-up records need. The wait is
# short, because the waiting thread may be the one that sends the heartbeats.
PART_OF_LEASE = 0.3
LOOK_SECONDS = 0.05
REASON = "a handler did not stop at its time limit, so its process ended"
REASON_ENDED = "an operator ended a handler, and its process with it"

logger = logging.getLogger(__name__)


def abort_process(
    services: WorkerServices,
    flow: Flow,
    current: CurrentRun,
    unwritten: Callable[[], Sequence[Outcome]],
    stuck: Sequence[StuckHandler],
) -> None:
    """Writes the outcomes that are known, and ends this process. During this call, the process begins no other work.
    Uses new connections, because the stuck thread holds the run's connection. `unwritten`: returns the outcomes that no
    COMMIT is known to have written. Does not return."""
    services.is_ending = True
    current.is_lost = True
    with ExitStack() as locks:
        try:
            _await_writes(services, current.run)
            _settle(services, flow, current, unwritten(), stuck)
            _wait_for_other_work(services, current, locks)
            services.slots.leave()
            _say_ended(services)
        finally:
            end_process()


def _await_writes(services: WorkerServices, run: Run) -> None:
    """Waits shortly for a write of the run's thread. Otherwise its outcomes would be written twice at the same time,
    and counted as refused."""
    try:
        are_over(services.database, run.parameters, SHORT_WAIT)
    except Exception:
        logger.exception("the end of a stuck process does not wait for the writes of its run")


def _settle(
    services: WorkerServices,
    flow: Flow,
    current: CurrentRun,
    finished: Sequence[Outcome],
    stuck: Sequence[StuckHandler],
) -> None:
    written_ids = {outcome.record.id for outcome in finished}  # a stuck handler may have returned just now
    failures = [f for call in stuck for f in _failures(flow, call) if f.record.id not in written_ids]
    reason = REASON_ENDED if any(call.ended_by for call in stuck) else REASON
    for outcomes in (
        [*finished, *failures],
        failures,
    ):  # if `finished` cannot be written, its records are processed again
        try:
            _write_when_possible(services, flow, current, outcomes, reason)
            break
        except Exception:
            logger.exception(
                "the end of a stuck process and %s could not be written", plural(len(outcomes), "outcome")
            )
    logger.error("%s: records %s of flow %s", reason, [f.record.id for f in failures], flow.name)


def _wait_for_other_work(services: WorkerServices, current: CurrentRun, locks: ExitStack) -> None:
    """Wait for work that another thread of this process began earlier, but not for longer than OTHER_WORK_SECONDS.
    Keeps each lock that it gets, so that no other work begins in this process."""
    ends_at = time.monotonic() + OTHER_WORK_SECONDS
    # The main thread holds `task_lock` while it executes a task. If the run is in the main thread, this task is the
    # run's own.
    is_in_the_main_thread = current.thread_id == threading.main_thread().ident
    if not is_in_the_main_thread and services.task_lock.acquire(timeout=OTHER_WORK_SECONDS):
        locks.callback(services.task_lock.release)
    while services.current_run is not current and time.monotonic() < ends_at:
        if services.run_lock.acquire(timeout=LOOK_SECONDS):
            locks.callback(services.run_lock.release)
            return
        if (other := services.current_run) is not None:
            other.is_in_the_way = True


def _say_ended(services: WorkerServices) -> None:
    """Call this last. Otherwise other processes would count this process as ended while it still works."""
    try:
        with services.database.transaction() as cursor:
            worker_processes.end(cursor, services.process.worker_process_id)
    except QueueStoreError as error:
        logger.warning("could not deregister; this process is declared dead when its lease ends: %s", error)


def _write_when_possible(
    services: WorkerServices, flow: Flow, current: CurrentRun, outcomes: Sequence[Outcome], reason: str
) -> None:
    """Tries again while the database cannot be reached, and after a conflict. At a shutdown, raises the error instead
    of trying again. The run is then declared dead when its lease ends."""
    before = replace(current.run.counts)
    locked_until = time.monotonic() + PART_OF_LEASE * services.settings.lease_seconds
    while True:
        try:
            return _write(services, flow, current, outcomes, reason, locked_until)
        except (DatabaseUnavailableError, ConflictError) as error:
            if services.slots.is_stopping:
                raise
            logger.warning("the end of a stuck process cannot be written yet: %s", error)
            current.run.counts = replace(before)  # the next try also counts what this try has written
            time.sleep(TRY_AGAIN_SECONDS)


def _error(flow: Flow, call: StuckHandler) -> TimeLimitExceededError:
    if call.ended_by is not None:
        return HandlerEndedError(f"ended after {call.limit_seconds:.0f} s by {call.ended_by}")
    if flow.time_limit_seconds is None:
        return TimeLimitExceededError(
            f"the handler did not return in {call.limit_seconds:g} s: give its flow time_limit_seconds"
        )
    return TimeLimitExceededError(
        f"the time limit of {call.limit_seconds:g} s is over, and the handler could not be stopped"
    )


def _failures(flow: Flow, call: StuckHandler) -> list[Outcome]:
    error = _error(flow, call)
    now = time.monotonic()
    return [failure_of(flow, record, error, call.started, now) for record in call.records]


def _write(
    services: WorkerServices,
    flow: Flow,
    current: CurrentRun,
    outcomes: Sequence[Outcome],
    reason: str,
    locked_until: float,
) -> None:
    run = current.run
    if flow.transaction_type is not None:
        with services.database.transaction() as cursor:
            terminate_sessions(cursor, run.flow_instance_id)
    try:
        _write_in_one(services, run, outcomes, reason)
    except NOT_WRITTEN:
        write_apart(
            flow,
            outcomes,
            partial(_write_in_one, services, run),
            may_wait=lambda: time.monotonic() < locked_until and not services.slots.is_stopping,
        )
        _write_in_one(services, run, [], reason)
    services.rescue.sweep()


def _write_in_one(
    services: WorkerServices, run: Run, outcomes: Sequence[Outcome], reason: str | None = None
) -> None:
    """Writes these outcomes in one transaction, unless they were written before. With a `reason`, the same transaction
    also ends the run."""
    before = replace(run.counts)
    try:
        with services.database.transaction() as cursor:
            run.counts.add(run.write_in(cursor, outcomes, again=True, patient=False))
            if reason:
                run.end_in(cursor, reason)
    except BaseException:
        run.counts = before
        raise
