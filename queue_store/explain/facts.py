"""The facts on which reasons are based. Each fact, except the record itself, is read when a reason first needs it."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from psycopg import Cursor

from queue_store.database.rows import row_as, rows_as, the_row_as
from queue_store.database.statements import sql
from queue_store.errors import UnknownRecordError
from queue_store.readings.error_text import error_text
from queue_store.readings.hung_handlers import HungHandler, read_hung_handlers
from queue_store.settings import ProcessorSettings

RUNS_SHOWN = 20
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class RecordFacts:
    id: int
    flow_name: str
    status: str
    priority: int
    scheduled_at: datetime
    claimed_at: datetime | None
    completed_at: datetime | None
    updated_at: datetime
    flow_instance_id: UUID | None
    retry_count: int
    crash_strikes: int
    batch_limit: int | None
    unfinished_claims: int
    order_key: str | None
    error_message: str | None
    exception_type: str | None
    cancel_requested_at: datetime | None
    cancel_requested_by: str | None
    run_state: str | None
    run_heartbeat_at: datetime | None
    hostname: str | None
    pid: int | None
    server_came_back_at: datetime | None  # None on a replica

    @property
    def error(self) -> str:
        """The record's last error, with its type."""
        return error_text(self.exception_type, self.error_message)

    @property
    def owner(self) -> str:
        place = f" in process {self.pid} on {self.hostname}" if self.hostname else ""
        return f"run {self.flow_instance_id}{place}"


@dataclass(frozen=True, slots=True)
class FlowFacts:
    now: datetime
    is_registered: bool
    celery_queue: str | None
    paused_at: datetime | None
    pause_reason: str | None
    ingestion_stopped_at: datetime | None
    ingestion_stop_reason: str | None
    processing_stopped_at: datetime | None
    processing_stop_reason: str | None
    all_ingestion_stopped_at: datetime | None
    all_ingestion_stop_reason: str | None
    max_runs: int | None
    orphan_timeout_seconds: float
    failure_blocks_key: bool
    claims_failing_since: datetime | None
    claims_error: str | None


@dataclass(frozen=True, slots=True)
class Workers:
    """`serving`: how many living processes serve the flow. `open`: how many of these processes are not stopping."""

    alive: int
    serving: int
    open: int
    serving_ids: list[UUID]


@dataclass(frozen=True, slots=True)
class AliveRun:
    flow_instance_id: UUID
    state: str
    hostname: str | None
    pid: int | None
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Counts stop at COUNT_LIMIT."""

    due_count: int
    oldest_due_at: datetime | None
    oldest_due_id: int | None
    oldest_due_key: str | None
    next_due_at: datetime | None
    suspect_count: int


class Facts:
    """The facts about one record or, if `record` is None, about a whole flow."""

    def __init__(
        self,
        cursor: Cursor[Any],
        settings: ProcessorSettings,
        flow_name: str,
        record: RecordFacts | None = None,
    ) -> None:
        self.cursor = cursor
        self.settings = settings
        self.flow_name = flow_name
        self._record = record

    @classmethod
    def at_record(cls, cursor: Cursor[Any], settings: ProcessorSettings, record_id: int) -> "Facts":
        record = row_as(cursor.execute(sql("explain/record"), {"id": record_id}), RecordFacts)
        if record is None:
            raise UnknownRecordError(
                f"there is no record {record_id}: it was purged, or never enqueued. The search shows existing records."
            )
        return cls(cursor, settings, record.flow_name, record)

    @property
    def record(self) -> RecordFacts:
        """Use this property only in a reason that explains a record, not in one that explains a flow."""
        assert self._record is not None
        return self._record

    @property
    def is_of_record(self) -> bool:
        return self._record is not None

    @property
    def now(self) -> datetime:
        return self.flow.now

    @cached_property
    def flow(self) -> FlowFacts:
        statement, parameters = sql("explain/flow"), {"flow_name": self.flow_name}
        return the_row_as(self.cursor.execute(statement, parameters), FlowFacts)

    @cached_property
    def workers(self) -> Workers:
        parameters = {"flow_name": self.flow_name, "lease_seconds": self.settings.lease_seconds}
        return the_row_as(self.cursor.execute(sql("explain/workers"), parameters), Workers)

    @cached_property
    def runs(self) -> list[AliveRun]:
        """The flow's living runs: at most RUNS_SHOWN, or at most `max_runs` of the flow if that is more."""
        limit = max(RUNS_SHOWN, self.flow.max_runs or 0)
        rows = self.cursor.execute(sql("explain/runs"), {"flow_name": self.flow_name, "limit": limit})
        return rows_as(rows, AliveRun)

    @cached_property
    def slice(self) -> AliveRun | None:
        """The run whose express slice holds the record now."""
        return row_as(self.cursor.execute(sql("explain/slice"), {"id": self.record.id}), AliveRun)

    @cached_property
    def hung_handlers(self) -> list[HungHandler]:
        """The hung handlers of all flows: a hung handler holds a worker process, and other flows may wait for that
        process."""
        return read_hung_handlers(self.cursor, self.settings)

    @cached_property
    def waiting(self) -> Waiting:
        parameters = {"flow_name": self.flow_name, "limit": COUNT_LIMIT}
        return the_row_as(self.cursor.execute(sql("explain/due"), parameters), Waiting)
