"""One execution of a maintenance operation. The row of an execution serves as its lock, and stores its heartbeat,
progress and result."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.beating import beating
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import AlreadyRunningError, MaintenanceError
from queue_store.operators.record_chunks import retry_on_conflict
from queue_store.progress import OnProgress, ignore_progress
from queue_store.redaction import redact

SILENT_SECONDS = 120.0
HEARTBEAT_SECONDS = 10.0


@dataclass(slots=True)
class MaintenanceRun:
    """`on_progress` is called with the number of rows affected so far. Each chunk stores `affected_count` in its
    transaction, so change this count only within a chunk, or right before a chunk."""

    database: DatabaseManager
    id: int
    operation: str
    dry_run: bool
    on_progress: OnProgress = ignore_progress
    affected_count: int = 0
    result: dict[str, Any] = field(default_factory=dict[str, Any])

    @contextmanager
    def chunk(self) -> Generator[Cursor[Any]]:
        """One transaction of work. Its last statement stores `affected_count` and a heartbeat in the row of this
        execution. If the execution was declared abandoned, the last statement finds no row, and the transaction is
        rolled back. No earlier statement locks this row, so other executions need not wait for long chunks.

        Raises MaintenanceError."""
        with self.database.transaction() as cursor:
            yield cursor
            if not _beat(cursor, self.id, self.affected_count):
                raise MaintenanceError(
                    f"{self.operation} was silent for more than {SILENT_SECONDS:g} s and was declared abandoned: "
                    "what it committed stays; start it again for the rest"
                )
        self.on_progress(self.affected_count)


@contextmanager
def begin(
    database: DatabaseManager,
    operation: str,
    *,
    dry_run: bool,
    actor: str,
    parameters: dict[str, Any] | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Generator[MaintenanceRun]:
    """Raises AlreadyRunningError if the same operation is running. A dry run is never refused, and never causes a
    refusal. Silent runs of all operations are declared abandoned, even if the same operation is running. Within this
    block, a thread renews the heartbeat over a connection of its own. So a run whose statement works for longer than
    SILENT_SECONDS is not declared abandoned."""
    retry_on_conflict(lambda: _abandon_silent_runs(database))
    values = {
        "operation": operation,
        "dry_run": dry_run,
        "actor": actor,
        "parameters": Jsonb(parameters or {}),
    }
    with database.transaction() as cursor:
        row = cursor.execute(sql("maintenance/begin_maintenance_run"), values).fetchone()
        if row is None:
            raise _already_running(cursor, operation)
    run = MaintenanceRun(database, row[0], operation, dry_run, on_progress)
    try:
        with beating(
            database, lambda cursor: _beat(cursor, run.id), HEARTBEAT_SECONDS, "maintenance", operation
        ):
            yield run
    except BaseException as error:
        message = redact(f"{type(error).__name__}: {error}")
        retry_on_conflict(lambda: _finish(run, message))
        raise
    retry_on_conflict(lambda: _finish(run, None))


def _abandon_silent_runs(database: DatabaseManager) -> None:
    """Uses a transaction of its own, not the one that inserts the new run. One transaction for both could cause a
    deadlock: the insert could wait for a run that is ending, and that run would wait for the audit log."""
    with database.transaction() as cursor:
        cursor.execute(sql("maintenance/abandon_maintenance_runs"), {"silent_seconds": SILENT_SECONDS})


def _beat(cursor: Cursor[Any], run_id: int, affected_count: int | None = None) -> bool:
    """Returns whether the execution is still running. If `affected_count` is None, the stored count does not change."""
    parameters = {"id": run_id, "affected_count": affected_count}
    return cursor.execute(sql("maintenance/beat_maintenance_run"), parameters).fetchone() is not None


def _already_running(cursor: Cursor[Any], operation: str) -> AlreadyRunningError:
    row = cursor.execute(sql("maintenance/running_maintenance"), {"operation": operation}).fetchone()
    since = f" since {row[2]:%Y-%m-%d %H:%M:%S %Z}, started by {row[1]}, {row[3]} rows so far" if row else ""
    return AlreadyRunningError(f"{operation} is running already{since}: wait for its end")


def _finish(run: MaintenanceRun, error_message: str | None) -> None:
    with run.database.transaction() as cursor:
        cursor.execute(
            sql("maintenance/finish_maintenance_run"),
            {"id": run.id, "result": Jsonb(run.result), "error_message": error_message},
        )
