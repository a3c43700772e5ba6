"""Reopens a run whose connection broke during a COMMIT. The server may still be executing that COMMIT. Until the COMMIT
is over, nobody knows which outcomes are written."""

from queue_store.errors import DatabaseUnavailableError
from queue_store.runs.run import Run
from queue_store.runs.sessions import are_over, terminate_sessions

PATIENCE = {"lock_timeout": "5s"}


def reopen_in_doubt(run: Run) -> None:
    """Waits for the end of the transaction of the broken connection, and continues the run over a new connection. If
    that transaction stays open, ends its session. Raises DatabaseUnavailableError, and ClaimLostError if the run is
    over."""
    run.__exit__()
    if not are_over(run.held, run.parameters, PATIENCE):
        with run.held.transaction() as cursor:
            terminate_sessions(cursor, run.flow_instance_id)
        if not are_over(run.held, run.parameters, PATIENCE):
            raise DatabaseUnavailableError("the session of the broken connection cannot be ended")
    run.reopen()
