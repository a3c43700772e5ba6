"""Moves jobs, batch by batch. One transaction locks a batch in the other system, writes the records, and marks the
jobs as moved. So each job is always in exactly one of the two systems, and is never run by both."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from psycopg import Cursor, Rollback

from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.bulk import enqueue_many_steps
from queue_store.enqueueing.connections import run
from queue_store.enqueueing.new_record import NewRecord, check_record
from queue_store.enqueueing.payload_encoders import encoder_of
from queue_store.errors import PayloadRejectedError
from queue_store.flows import read_flow_names
from queue_store.moving_in.source import Job, Source
from queue_store.operators.audit import audit
from queue_store.operators.record_chunks import retry_on_conflict

NO_FLOW = "no flow {flow} is registered: name one with --flow {name}=FLOW, or register it first"
DUPLICATE = "an unfinished record of {flow} has the same dedup_key"
OF_GROUP = "job {id}, which has the same lock, cannot be moved"
SHOWN_IDS = 5
SEARCH_PATH = "SELECT set_config('search_path', quote_ident(%s) || ', public', true)"


@dataclass(slots=True)
class Left:
    """Jobs with the same name that are not moved, all for the same reason. `ids`: the ids of the first few of these
    jobs."""

    name: str
    reason: str
    count: int = 0
    ids: list[Any] = field(default_factory=list[Any])


@dataclass(slots=True)
class Moved:
    """`moved`: the number of records by flow. `running` and `waiting`: how many running and waiting jobs the other
    system still has at the end of the move."""

    moved: dict[str, int] = field(default_factory=dict[str, int])
    left: list[Left] = field(default_factory=list[Left])
    running: int = 0
    waiting: int = 0

    @property
    def total(self) -> int:
        return sum(self.moved.values())


class _NotMeantError(Exception):
    """Rolls a dry run back."""

    def __init__(self, taken: tuple[list[Job], Any]) -> None:
        self.taken = taken
        super().__init__("this was a dry run")


def move_in(
    database: DatabaseManager,
    source: Source,
    *,
    actor: str,
    batch_size: int,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda count: None,
) -> Moved:
    """Moves all waiting jobs that can be moved and that no worker takes during the move. With `dry_run`, every batch
    is rolled back. `progress` receives the number of jobs that were looked at. A move can be interrupted and repeated.

    Raises QueueStoreError if the source's tables or their rows are not as expected, and IngestionStoppedError if
    ingestion is stopped. The batches that were moved before the error stay moved."""
    done = Moved()
    left: dict[tuple[str, str], Left] = {}
    seen_early: set[Any] = set()
    after_id: Any = None
    looked_at = 0
    with database.transaction() as cursor:
        source.check(cursor)
    batches = _Batches(database, source, actor, dry_run=dry_run)
    while True:
        taken, after_id = retry_on_conflict(partial(batches.move, after_id, batch_size))
        if not taken:
            break
        jobs = [job for job in taken if job.id not in seen_early]
        seen_early.update(job.id for job in jobs if job.came_early)
        for job in jobs:
            if job.problem is None:
                done.moved[job.flow_name] = done.moved.get(job.flow_name, 0) + 1
            else:
                _note(left, job, job.problem)
        looked_at += len(jobs)
        progress(looked_at)
    done.left = sorted(left.values(), key=lambda one: (one.name, one.reason))
    with database.transaction() as cursor:
        counted = source.count(cursor)
    done.running, done.waiting = counted.running, counted.waiting
    return done


def _note(left: dict[tuple[str, str], Left], job: Job, problem: str) -> None:
    noted = left.setdefault((job.name, problem), Left(job.name, problem))
    noted.count += 1
    if len(noted.ids) < SHOWN_IDS:
        noted.ids.append(job.id)


class _Batches:
    def __init__(self, database: DatabaseManager, source: Source, actor: str, *, dry_run: bool) -> None:
        self._database = database
        self._source = source
        self._actor = actor
        self._dry_run = dry_run
        self._dry_keys: set[tuple[str, str | None]] = set()  # of records that were rolled back

    def move(self, after_id: Any, limit: int) -> tuple[list[Job], Any]:
        """Moves a batch. Returns its jobs, and the id after which to continue. A job that was not moved has a
        `problem`. This method may be called again after a conflict."""
        try:
            with self._database.transaction() as cursor:
                if self._source.schema is not None:  # so that the other system's triggers find its tables
                    cursor.execute(SEARCH_PATH, (self._source.schema,))
                jobs, last_id = self._source.take(cursor, after_id, limit)
                self._enqueue(cursor, jobs)
                if self._dry_run:
                    raise _NotMeantError((jobs, last_id))
        except _NotMeantError as dry:
            self._keep_keys(dry.taken[0])
            return dry.taken
        return jobs, last_id

    def _keep_keys(self, jobs: Sequence[Job]) -> None:
        """Without the dry run, the records of these jobs would stay, so that later jobs would be duplicates."""
        moved = [job for job in jobs if job.problem is None and job.record.dedup_key is not None]
        self._dry_keys.update((job.flow_name, job.record.dedup_key) for job in moved)

    def _enqueue(self, cursor: Cursor[Any], jobs: Sequence[Job]) -> None:
        known = read_flow_names(cursor)
        by_flow: dict[str, list[Job]] = defaultdict(list)
        for job in jobs:
            job.problem = job.problem or _problem_of(job, known)
            if job.problem is None and (job.flow_name, job.record.dedup_key) in self._dry_keys:
                job.problem = DUPLICATE.format(flow=job.flow_name)
        _hold_back_groups(jobs)
        for job in jobs:
            if job.problem is None:
                by_flow[job.flow_name].append(job)
        for flow_name, of_flow in sorted(by_flow.items()):
            self._enqueue_for(cursor, flow_name, of_flow)

    def _enqueue_for(self, cursor: Cursor[Any], flow_name: str, jobs: Sequence[Job]) -> None:
        while not self._enqueue_groups(cursor, flow_name, [job for job in jobs if job.problem is None]):
            pass
        moved = [job.id for job in jobs if job.problem is None]
        if moved:
            self._source.mark_moved(cursor, moved)
            details = {"from": self._source.label, "first": str(moved[0]), "last": str(moved[-1])}
            audit(cursor, self._actor, "import", flow_name, len(moved), details)

    def _enqueue_groups(self, cursor: Cursor[Any], flow_name: str, jobs: Sequence[Job]) -> bool:
        """Returns False, and writes no record, if one job of a group is a duplicate, so that the whole group stays."""
        rows = [job.record for job in jobs]
        steps = enqueue_many_steps(
            flow_name, rows, NewRecord(None), "skip", with_ids=False, is_follow_up=False
        )
        with cursor.connection.transaction():
            enqueued = run(cursor, steps)
            for position in enqueued.duplicate_positions:
                jobs[position].problem = DUPLICATE.format(flow=flow_name)
            must_repeat = _hold_back_groups(jobs)
            if must_repeat:
                raise Rollback
        return not must_repeat


def _hold_back_groups(jobs: Sequence[Job]) -> bool:
    """If a job of a group has a problem, sets a problem for the group's other jobs, too. Returns whether it set a
    problem for any job."""
    held_back = {job.group: job.id for job in reversed(jobs) if job.group is not None and job.problem}
    has_others = False
    for job in jobs:
        if job.problem is None and job.group is not None and job.group in held_back:
            job.problem = OF_GROUP.format(id=held_back[job.group])
            has_others = True
    return has_others


def _problem_of(job: Job, known: set[str]) -> str | None:
    if job.flow_name not in known:
        return NO_FLOW.format(flow=job.flow_name, name=job.name)
    try:
        check_record(job.record, encoder_of(job.flow_name))
    except PayloadRejectedError as error:
        return str(error)
    return None
