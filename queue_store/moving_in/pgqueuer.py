"""The jobs of PgQueuer 1 with the status `queued`."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Cursor

from queue_store.enqueueing import NewRecord
from queue_store.moving_in.source import (
    Job,
    Waiting,
    decoded,
    instant,
    level_of,
    mapped,
    require_all_moved,
    require_columns,
    statement,
    table_of,
)

COLUMNS = ("id", "entrypoint", "payload", "priority", "execute_after", "dedupe_key", "status")
LOG_COLUMNS = ("job_id", "status", "priority", "entrypoint")
NO_JSON = "its payload is not JSON"


class PgQueuer:
    """The bytes of a payload are read as JSON; a missing payload becomes null. A dedupe_key becomes the
    dedup_key."""

    label = "pgqueuer"

    def __init__(self, flow_names: Mapping[str, str], schema: str | None = None) -> None:
        self._flow_names = flow_names
        self.schema = schema
        self._jobs = table_of(schema, "pgqueuer")
        self._log = table_of(schema, "pgqueuer_log")

    def check(self, cursor: Cursor[Any]) -> None:
        require_columns(cursor, self._jobs, COLUMNS, "PgQueuer")
        require_columns(cursor, self._log, LOG_COLUMNS, "PgQueuer")

    def count(self, cursor: Cursor[Any]) -> Waiting:
        row = cursor.execute(statement("pgqueuer_counts", jobs=self._jobs), {}).fetchone()
        return Waiting(*(row or (0, 0)))

    def take(self, cursor: Cursor[Any], after_id: Any, limit: int) -> tuple[list[Job], Any]:
        parameters = {"after_id": after_id or 0, "limit": limit}
        rows = cursor.execute(statement("pgqueuer_jobs", jobs=self._jobs), parameters).fetchall()
        return [self._job(*row) for row in rows], rows[-1][0] if rows else after_id

    def mark_moved(self, cursor: Cursor[Any], job_ids: Sequence[Any]) -> None:
        cursor.execute(statement("pgqueuer_moved", jobs=self._jobs, log=self._log), {"ids": list(job_ids)})
        require_all_moved(cursor, job_ids, self._jobs)

    def _job(
        self,
        job_id: int,
        entrypoint: str,
        payload: bytes | None,
        priority: int,
        due: str | None,
        dedupe_key: str | None,
    ) -> Job:
        value, problem = decoded(payload, NO_JSON)
        execute_after, no_instant = instant(due)
        record = NewRecord(
            value,
            priority=level_of(priority),
            scheduled_at=execute_after,
            dedup_key=dedupe_key,
            correlation_id=f"pgqueuer job {job_id}",
        )
        return Job(job_id, entrypoint, mapped(entrypoint, self._flow_names), record, problem or no_instant)
