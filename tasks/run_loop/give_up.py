"""The end of a process whose handler does not stop: what is known is written, the rest is given back, and the pool
starts a new child. Nobody is charged with a crash."""

import logging
import time
from collections.abc import Sequence

from queue_store import worker_processes
from queue_store.errors import QueueStoreError
from queue_store.record import Outcome
from queue_store.statements import sql
from tasks.exceptions import TimeLimitExceededError
from tasks.flow import Flow
from tasks.run_loop.current_run import CurrentRun
from tasks.run_loop.failures import failure_of
from tasks.run_loop.stuck_handlers import StuckHandler, end_process
from tasks.worker_process import WorkerServices

TRY_AGAIN_SECONDS = 1.0
REASON = "a handler did not stop at its time limit, so its process ended"

logger = logging.getLogger(__name__)


def give_up(
    services: WorkerServices,
    declared: Flow,
    current: CurrentRun,
    finished: Sequence[Outcome],
    stuck: Sequence[StuckHandler],
) -> None:
    """Over connections of its own: the run's is in the hands of whoever is stuck. Does not return."""
    current.is_lost = True
    failures = [failure for call in stuck for failure in _failures(declared, call)]
    while True:
        try:
            _write(
                services, current, [*finished, *failures], ends_session=declared.transaction_type is not None
            )
            break
        except QueueStoreError as error:
            logger.warning("the end of a stuck process cannot be written yet: %s", error)
            time.sleep(TRY_AGAIN_SECONDS)
    logger.error("%s: records %s of flow %s", REASON, [f.record.id for f in failures], declared.name)
    services.slots.leave()
    end_process()


def _failures(declared: Flow, call: StuckHandler) -> list[Outcome]:
    error = TimeLimitExceededError(
        f"the time limit of {call.limit_seconds:g} s is over, and the handler could not be stopped"
    )
    now = time.monotonic()
    return [failure_of(declared, record, error, call.started, now) for record in call.records]


def _write(
    services: WorkerServices, current: CurrentRun, outcomes: list[Outcome], *, ends_session: bool
) -> None:
    run = current.run
    if ends_session:
        with services.database.transaction() as cursor:
            cursor.execute(sql("terminate_run_session"), {"flow_instance_id": run.flow_instance_id})
    with services.database.transaction() as cursor:
        run.counts.add(run.write_in(cursor, outcomes))
        run.end_in(cursor, REASON)
    services.rescue.look()
    with services.database.transaction() as cursor:
        worker_processes.end(cursor, services.process.worker_process_id)
