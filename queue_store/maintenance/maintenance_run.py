"""One execution of a maintenance operation. The row of an execution serves as its lock, and stores its heartbeat,
progress and result."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import Cursor
from psycopg.types.json import Jsonb

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import AlreadyRunningError, MaintenanceError
from queue_store.progress import OnProgress, ignore_progress
from queue_store.redaction import redact

SILENT_SECONDS = 120.0


@dataclass(slots=True)
class MaintenanceRun:
    """`on_progress` is called with the number of rows affected so far."""

    database: DatabaseManager
    id: int
    operation: str
    dry_run: bool
    on_progress: OnProgress = ignore_progress
    affected_count: int = 0
    result: dict[str, Any] = field(default_factory=dict[str, Any])

    @contextmanager
    def chunk(self) -> Generator[Cursor[Any]]:
        """One transaction of work. The heartbeat comes first, so that an operation that was declared abandoned
        changes nothing more.

        Raises MaintenanceError."""
        with self.database.transaction() as cursor:
            parameters = {"id": self.id, "affected_count": self.affected_count}
            if cursor.execute(sql("maintenance/beat_maintenance_run"), parameters).fetchone() is None:
                raise MaintenanceError(
                    f"{self.operation} was silent for more than {SILENT_SECONDS:g} s and was declared abandoned: "
                    "what it committed stays; start it again for the rest"
                )
            yield cursor
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
    refusal."""
    with database.transaction() as cursor:
        cursor.execute(sql("maintenance/abandon_maintenance_runs"), {"silent_seconds": SILENT_SECONDS})
        values = {
            "operation": operation,
            "dry_run": dry_run,
            "actor": actor,
            "parameters": Jsonb(parameters or {}),
        }
        row = cursor.execute(sql("maintenance/begin_maintenance_run"), values).fetchone()
        if row is None:
            raise _already_running(cursor, operation)
    run = MaintenanceRun(database, row[0], operation, dry_run, on_progress)
    try:
        yield run
    except BaseException as error:
        _finish(run, redact(f"{type(error).__name__}: {error}"))
        raise
    _finish(run, None)


def _already_running(cursor: Cursor[Any], operation: str) -> AlreadyRunningError:
    row = cursor.execute(sql("maintenance/running_maintenance"), {"operation": operation}).fetchone()
    since = f" since {row[2]:%Y-%m-%d %H:%M:%S %Z}, started by {row[1]}, {row[3]} rows so far" if row else ""
    return AlreadyRunningError(f"{operation} is running already{since}: wait for its end")


def _finish(run: MaintenanceRun, error_message: str | None) -> None:
    with run.database.transaction() as cursor:
        cursor.execute(
            sql("maintenance/finish_maintenance_run"),
            {
                "id": run.id,
                "affected_count": run.affected_count,
                "result": Jsonb(run.result),
                "error_message": error_message,
            },
        )
