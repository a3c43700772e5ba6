"""The jobs of Procrastinate 3 with the status `todo`."""

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

COLUMNS = ("id", "task_name", "args", "priority", "scheduled_at", "queueing_lock", "lock", "status")
NO_JSON = "its args are not JSON"
IN_USE = "a running job holds its lock: import again when that job has ended"
SHARED = (
    "jobs of another flow share its lock, but an order_key applies within one flow only: see --split-locks"
)


class Procrastinate:
    """A job's queueing_lock becomes the dedup_key, and its lock becomes the order_key. Without `splits_locks`, all jobs
    that share a lock must go to one flow, and either all of them move, or none. With `splits_locks`, such jobs may
    go to several flows. A record then waits only for records of its own flow. Of the jobs that share both a lock and a
    flow, either all move, or none."""

    label = "procrastinate"

    def __init__(
        self, flow_names: Mapping[str, str], schema: str | None = None, *, splits_locks: bool = False
    ) -> None:
        self._flow_names = flow_names
        self.schema = schema
        self._jobs = table_of(schema, "procrastinate_jobs")
        self._splits_locks = splits_locks

    def check(self, cursor: Cursor[Any]) -> None:
        require_columns(cursor, self._jobs, COLUMNS, "Procrastinate")

    def count(self, cursor: Cursor[Any]) -> Waiting:
        row = cursor.execute(statement("procrastinate_counts", jobs=self._jobs), {}).fetchone()
        return Waiting(*(row or (0, 0)))

    def take(self, cursor: Cursor[Any], after_id: Any, limit: int) -> tuple[list[Job], Any]:
        parameters: dict[str, Any] = {"after_id": after_id or 0, "limit": limit}
        rows = cursor.execute(statement("procrastinate_jobs", jobs=self._jobs), parameters).fetchall()
        if not rows:
            return [], after_id
        last_id = rows[-1][0]
        if locks := list({row[-1] for row in rows if row[-1] is not None}):
            of_locks = statement("procrastinate_jobs_of_locks", jobs=self._jobs)
            rows += cursor.execute(of_locks, {"after_id": last_id, "locks": locks}).fetchall()
        jobs = [self._job(*row[:-1], order_key=row[-1]) for row in rows]
        for job in jobs:
            job.came_early = job.id > last_id
        self._find_problems(cursor, jobs, locks)
        return jobs, last_id

    def mark_moved(self, cursor: Cursor[Any], job_ids: Sequence[Any]) -> None:
        cursor.execute(statement("procrastinate_moved", jobs=self._jobs), {"ids": list(job_ids)})
        require_all_moved(cursor, job_ids, self._jobs)

    def _job(
        self,
        job_id: int,
        task_name: str,
        arguments: str | None,
        priority: int,
        due: str | None,
        queueing_lock: str | None,
        *,
        order_key: str | None,
    ) -> Job:
        payload, problem = decoded(None if arguments is None else arguments.encode(), NO_JSON)
        scheduled_at, no_instant = instant(due)
        record = NewRecord(
            payload,
            priority=level_of(priority),
            scheduled_at=scheduled_at,
            dedup_key=queueing_lock,
            order_key=order_key,
            correlation_id=f"procrastinate job {job_id}",
        )
        flow_name = mapped(task_name, self._flow_names)
        group = (order_key, flow_name) if order_key is not None and self._splits_locks else order_key
        return Job(job_id, task_name, flow_name, record, problem or no_instant, group=group)

    def _find_problems(self, cursor: Cursor[Any], jobs: Sequence[Job], locks: Sequence[str]) -> None:
        if not locks:
            return
        parameters = {"locks": locks, "taken_ids": [job.id for job in jobs]}
        in_use = cursor.execute(statement("procrastinate_locks_in_use", jobs=self._jobs), parameters)
        held = {lock for (lock,) in in_use.fetchall()}
        flows_of: dict[str, set[str]] = {}
        for job in jobs:
            flows_of.setdefault(job.record.order_key or "", set()).add(job.flow_name)
        for job in jobs:
            lock = job.record.order_key
            if lock is None:
                continue
            if lock in held:
                job.problem = job.problem or IN_USE
            elif len(flows_of[lock]) > 1 and not self._splits_locks:
                job.problem = job.problem or SHARED
