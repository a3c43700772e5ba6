"""Ends a run, with or without an error. If the end cannot be written, the run is declared dead when its lease
ends."""

import logging
import time

from queue_store.errors import ClaimLostError, DatabaseUnavailableError, QueueStoreError
from queue_store.liveness.worker_processes import server_identity
from queue_store.redaction import redact
from queue_store.runs.run import Run

from ..exceptions import RunLostError
from ..worker.current_run import CurrentRun
from ..worker.services import WorkerServices
from ..worker.shared_slots import SharedSlots
from .failures import MESSAGE_LIMIT

SAY_END_SECONDS = 60.0
SAY_END_PAUSE_SECONDS = 0.2

logger = logging.getLogger(__name__)


def end_run(current: CurrentRun, slots: SharedSlots, failure: BaseException | None) -> None:
    """Write that the run has ended. If the database cannot be reached, try again for at most `SAY_END_SECONDS`, but not
    at a shutdown. If the end of a run is not written, the unfinished records of the run may become suspects."""
    deadline = time.monotonic() + SAY_END_SECONDS
    while True:
        try:
            _say_end(current, failure)
            current.run.is_ended = True
            return None
        except ClaimLostError:  # the run has ended already, or was declared dead
            current.run.is_ended = True
            return None
        except DatabaseUnavailableError as error:
            failure = failure or error
            if time.monotonic() > deadline or slots.is_stopping:
                return _warn(current, error)
            time.sleep(SAY_END_PAUSE_SECONDS)
        except QueueStoreError as error:
            return _warn(current, error)


def end_broken_run(
    services: WorkerServices, run: Run, error: BaseException, working: CurrentRun | None = None
) -> None:
    """End a run that an error has left running. Such a run would count as running until it is declared dead, although
    no process works on it. `working`: the run's state, if handlers may have been called. If it is None, no handler was
    called, so no record is to blame. If the COMMIT that begins the run is in doubt, the run is ended, too: it may own
    records."""
    if (run.is_registered or run.is_in_doubt) and not run.is_ended:
        current = working or CurrentRun(run, server_identity=services.server_identity)
        with run:
            end_run(current, services.slots, error if run.is_in_doubt or working else None)


def _say_end(current: CurrentRun, failure: BaseException | None) -> None:
    run = current.run
    if failure is None or run.is_ended:
        run.end()
        return
    run.reopen()
    is_to_blame = not _server_changed(current)
    suspect_ids = failure.suspect_record_ids if isinstance(failure, RunLostError) else ()
    if suspect_ids and is_to_blame:
        run.abandon(suspect_ids[0] if len(suspect_ids) == 1 else None, str(failure))
    else:
        run.end(_text(failure), leaves_unfinished=is_to_blame)


def _server_changed(current: CurrentRun) -> bool:
    """Returns True if the server was restarted or another server took over. In both cases,
    no record is to blame for the end of the run."""
    known = current.server_identity
    with current.run.held.transaction() as cursor:
        return known is not None and server_identity(cursor) != known


def _warn(current: CurrentRun, error: QueueStoreError) -> None:
    logger.warning(
        "run %s could not record its end; it is declared dead when its lease ends: %s",
        current.run.flow_instance_id,
        error,
    )


def _text(failure: BaseException) -> str:
    """Returns the text of the error. Unless the error is one of ours, this text includes the error's type: the message
    alone is often unclear."""
    if isinstance(failure, RunLostError | QueueStoreError):
        return str(failure)
    return redact(f"{type(failure).__name__}: {failure}", MESSAGE_LIMIT)
