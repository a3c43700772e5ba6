"""Ends a process whose handler does not stop. Outcomes that are known are written, and the other records are given
back. The pool starts a new child. No record gets a crash strike."""

import logging
import time
from collections.abc import Sequence

from queue_store.errors import ConflictError, DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.plural import plural
from queue_store.records.record import Outcome
from queue_store.runs.sessions import terminate_sessions

from ..authoring.flow import Flow
from ..exceptions import HandlerEndedError, TimeLimitExceededError
from ..worker.current_run import CurrentRun
from ..worker.services import WorkerServices
from .failures import failure_of
from .stuck_handlers import StuckHandler, end_process

TRY_AGAIN_SECONDS = 1.0
REASON = "a handler did not stop at its time limit, so its process ended"
REASON_ENDED = "an operator ended a handler, and its process with it"

logger = logging.getLogger(__name__)


def abort_process(
    services: WorkerServices,
    flow: Flow,
    current: CurrentRun,
    finished: Sequence[Outcome],
    stuck: Sequence[StuckHandler],
) -> None:
    """Writes the outcomes that are known, and ends this process. Uses new connections, because the stuck thread
    holds the run's connection. Does not return."""
    current.is_lost = True
    failures = [failure for call in stuck for failure in _failures(flow, call)]
    reason = REASON_ENDED if any(call.ended_by for call in stuck) else REASON
    ends_session = flow.transaction_type is not None
    for outcomes in (
        [*finished, *failures],
        failures,
    ):  # if `finished` cannot be written, its records are processed again
        try:
            _write_when_possible(services, current, outcomes, reason, ends_session=ends_session)
            break
        except Exception:
            logger.exception(
                "the end of a stuck process and %s could not be written", plural(len(outcomes), "outcome")
            )
    logger.error("%s: records %s of flow %s", reason, [f.record.id for f in failures], flow.name)
    services.slots.leave()
    end_process()


def _write_when_possible(
    services: WorkerServices,
    current: CurrentRun,
    outcomes: Sequence[Outcome],
    reason: str,
    *,
    ends_session: bool,
) -> None:
    """Tries again while the database cannot be reached, and after a conflict. At a shutdown, raises the error instead
    of trying again. The run is then declared dead when its lease ends."""
    while True:
        try:
            return _write(services, current, outcomes, reason, ends_session=ends_session)
        except (DatabaseUnavailableError, ConflictError) as error:
            if services.slots.is_stopping:
                raise
            logger.warning("the end of a stuck process cannot be written yet: %s", error)
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
    current: CurrentRun,
    outcomes: Sequence[Outcome],
    reason: str,
    *,
    ends_session: bool,
) -> None:
    run = current.run
    if ends_session:
        with services.database.transaction() as cursor:
            terminate_sessions(cursor, run.flow_instance_id)
    with services.database.transaction() as cursor:
        run.counts.add(run.write_in(cursor, outcomes))
        run.end_in(cursor, reason)
    services.rescue.sweep()
    with services.database.transaction() as cursor:
        worker_processes.end(cursor, services.process.worker_process_id)
