"""Helpers for the tests of flows. In pytest, the fixture `queue_tester` of `tasks.pytest_plugin` provides them.

Everything is real except the broker. Records are enqueued, claimed and completed in Postgres. Their handlers run in the
test's own process. Plain handlers also run in the test's own thread, unless their flow sets `concurrency`. No test
waits for time to pass, because `pass_time` changes the times in the rows and the time of the schedules.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack

from sqlalchemy import ColumnElement, Row, delete, func, select, update
from sqlalchemy.exc import DataError, IntegrityError

from queue_store.database import schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.database.tables import audit_log, flow_execution_logs, flows, processing_queue
from queue_store.distributed_processor import DistributedProcessor
from queue_store.enqueueing import OnDuplicate, RecordOptions
from queue_store.errors import QueueStoreError, UnknownFlowError, UnknownRecordError
from queue_store.flows import with_work
from queue_store.records.record import STATUSES
from queue_store.schedule import recurring
from queue_store.settings import load_processor_settings

from ..authoring.registry import load_flows
from ..run_loop.loop import run_flow
from ..schedule.enqueue_due import enqueue_due
from ..worker.services import WorkerServices
from .readable import readable

MAXIMUM_RUNS = 1_000
SEARCH_MARGIN = timedelta(days=2)  # the search for a due time also looks at the next day
INSTANTS = ("scheduled_at", "created_at", "updated_at", "claimed_at", "started_at", "completed_at")


class QueueTester:
    """The queue as a test sees it. The queue is empty at first. Its records are processed only when the test calls
    `run` or `drain`."""

    def __init__(self) -> None:
        self._services = _new_services()
        self._passed = timedelta(0)  # the time of the schedules is ahead of the database's time by this much
        if schema.current_version(self.database.engine) != versions.latest_version():
            schema.migrate(self.database.engine)
        self._processor = DistributedProcessor(self.database, self._services.settings)
        self._empty()
        self._services.register()

    @property
    def database(self) -> DatabaseManager:
        """The database of the queue. Use `database.engine` for the application's own sessions."""
        return self._services.database

    def enqueue(
        self,
        flow: str | Callable[..., Any],
        payload: object,
        *,
        on_duplicate: OnDuplicate = "raise",
        **options: Unpack[RecordOptions],
    ) -> int:
        """Enqueue a record for the test, and return its id. To find records that the application itself enqueues,
        call `records`."""
        enqueued = self._processor.enqueue(self._name(flow), payload, on_duplicate=on_duplicate, **options)
        return enqueued.id

    def run(
        self, flow: str | Callable[..., Any], payload: object, **options: Unpack[RecordOptions]
    ) -> Row[Any]:
        """Enqueue one record, run its flow until no record of the flow is due, and return the record in its new
        state."""
        record_id = self.enqueue(flow, payload, **options)
        self.drain(flow)
        return self.record(record_id)

    def drain(self, *wanted: str | Callable[..., Any]) -> None:
        """Process due records of the `wanted` flows (of all flows if none is named), until no record can be claimed.
        Records that will be tried again after a failure or a snooze are due later: see `pass_time`."""
        self._services.flows = load_flows(self._services.settings)
        names = {self._name(flow) for flow in wanted} or set(self._services.flows)
        due: list[str] = []
        for _ in range(MAXIMUM_RUNS):
            with self.database.transaction() as cursor:
                due = [flow.flow_name for flow in with_work(cursor) if flow.flow_name in names]
            if not due:
                return
            claimed = [run_flow(self._services, self._services.flows[name]).records_claimed for name in due]
            if not any(claimed):
                return
        raise AssertionError(
            f"{', '.join(due)}: still due after {MAXIMUM_RUNS} runs; does it enqueue itself without end?"
        )

    def record(self, record_id: int) -> Row[Any]:
        """Returns a row of processing_queue. Each column is an attribute. Raises UnknownRecordError."""
        found = self._rows(processing_queue.c.id == record_id)
        if not found:
            raise UnknownRecordError(f"there is no record {record_id}")
        return found[0]

    def records(
        self, flow: str | Callable[..., Any] | None = None, status: str | None = None
    ) -> Sequence[Row[Any]]:
        """Returns the committed records, the oldest first: all, or those with this `flow` and `status`. Raises
        QueueStoreError for an unknown status, so that a misspelt status is not mistaken for a status without
        records."""
        if status is not None and status not in STATUSES:
            raise QueueStoreError(f"{status!r} is not a status: it must be one of {', '.join(STATUSES)}")
        conditions: list[ColumnElement[bool]] = []
        if flow is not None:
            conditions.append(processing_queue.c.flow_name == self._name(flow))
        if status is not None:
            conditions.append(processing_queue.c.status == status)
        return self._rows(*conditions)

    def pass_time(self, delta: timedelta) -> None:
        """Act as if this much time had passed: move all times of all records into the past, and the time of the
        schedules into the future. Before and after the times are moved, enqueue the records of recurring flows that are
        due, as a worker would have done. Raises QueueStoreError for a time that cannot pass, such as a negative time,
        or more time than the calendar has."""
        if not isinstance(delta, timedelta) or delta < timedelta(0):
            raise QueueStoreError(
                f"pass_time takes a timedelta of 0 or more, such as timedelta(hours=1), not {delta!r}"
            )
        self._enqueue_due()
        try:
            _ = datetime.now(UTC) + self._passed + delta + SEARCH_MARGIN
            self._move_back(delta, INSTANTS)
        except (OverflowError, DataError, IntegrityError):
            raise QueueStoreError(f"pass_time: {delta} is more than the calendar has") from None
        self._passed += delta
        self._enqueue_due()

    def _move_back(self, delta: timedelta, instants: Sequence[str], *conditions: ColumnElement[bool]) -> None:
        moved = {name: processing_queue.c[name] - delta for name in instants}
        with self.database.engine.begin() as connection:
            connection.execute(update(processing_queue).where(*conditions).values(moved))

    def _enqueue_due(self) -> None:
        """Schedules have a clock of their own, which `pass_time` puts ahead of the database's clock. The times of
        records follow the database's clock, so `scheduled_at` of the new records is moved back."""
        settings = self._services.settings
        ids = enqueue_due(self.database, load_flows(settings).values(), settings, self._passed)
        if ids:
            self._move_back(self._passed, ["scheduled_at"], processing_queue.c.id.in_(ids))

    def close(self) -> None:
        self._services.close()

    def _name(self, flow: str | Callable[..., Any]) -> str:
        loaded = load_flows(self._services.settings)
        if loaded.keys() - self._services.flows.keys():  # new flows were imported
            self._services.flows = loaded
            self._services.register()
        if isinstance(flow, str):
            return flow
        for name, candidate in loaded.items():
            if candidate.handler is flow:
                return name
        raise UnknownFlowError(
            f"{getattr(flow, '__qualname__', flow)!r} is not a flow: decorate it with @flow"
        )

    def _rows(self, *conditions: ColumnElement[bool]) -> Sequence[Row[Any]]:
        query = select(*readable(processing_queue.c)).where(*conditions).order_by(processing_queue.c.id)
        with self.database.engine.connect() as connection:
            connection.execute(
                select(func.set_config("DateStyle", "ISO", True))
            )  # psycopg can read dates only in the ISO style
            return connection.execute(query).all()

    def _empty(self) -> None:
        with self.database.engine.begin() as connection:
            for table in (processing_queue, flow_execution_logs, audit_log, flows):
                connection.execute(delete(table))
        with self.database.transaction() as cursor:
            recurring.forget(cursor)
        self._processor.resume_ingestion(None, actor="test")
        self._processor.resume_processing(actor="test")


class _NoHints:
    """Sends no hints, because the test itself decides when records are processed."""

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        return True


def _new_services() -> WorkerServices:
    settings = load_processor_settings()
    services = WorkerServices(settings, sorted({flow.celery_queue for flow in load_flows(settings).values()}))
    services.hints = _NoHints()  # type: ignore[assignment]
    return services
