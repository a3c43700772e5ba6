"""Makes a flow, its records and its runs for tests, and waits until a rival session is blocked."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, TypeVar
from uuid import UUID, uuid4

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.liveness import worker_processes
from queue_store.liveness.rescue import Rescue
from queue_store.liveness.worker_processes import WorkerProcess
from queue_store.records.record import Completed, Failure, Outcome, Record, Written
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.run import Run, RunOptions
from queue_store.settings import ProcessorSettings

T = TypeVar("T")
PATIENCE_SECONDS = 30

ADD_FLOW = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_runs, max_retries, orphan_timeout_seconds)
VALUES (%(flow_name)s, 'celery', %(batch_size)s, %(max_runs)s, %(max_retries)s, 60)
"""
ENQUEUE = """
INSERT INTO processing_queue (flow_name, payload, priority, order_key, scheduled_at)
SELECT %(flow_name)s, jsonb_build_object('n', n), %(priority)s, %(order_key)s,
    now() + make_interval(secs => %(delay)s) + n * interval '1 microsecond'
FROM generate_series(1, %(count)s) n RETURNING id
"""
UPTIME = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8"
IS_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
ONE_IS_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


class Store:
    """The flow `sample`, with helpers for tests. Each run has a connection of its own."""

    def __init__(self, database: DatabaseManager, **options: Any) -> None:
        self.database = database
        self.settings = ProcessorSettings(lease_seconds=self._lease_seconds())
        self.options = RunOptions(**{"flow_name": "sample", "batch_size": 10, "max_retries": 3, **options})
        self._stack = ExitStack()

    def close(self) -> None:
        self._stack.close()

    def add_flow(self, flow_name: str = "sample", max_runs: int | None = None) -> None:
        parameters = {"batch_size": 10, "max_retries": 3, "max_runs": max_runs, "flow_name": flow_name}
        self.execute(ADD_FLOW, parameters)

    def enqueue(self, count: int = 1, **columns: Any) -> list[int]:
        """Unless `columns` say otherwise, the records are due now, in the order of their ids. Returns the ids."""
        columns = {"flow_name": "sample", "priority": 5, "order_key": None, "delay": 0, **columns}
        return [row[0] for row in self.query(ENQUEUE, {"count": count, **columns})]

    def held(self) -> HeldConnection:
        return self._stack.enter_context(self.database.hold())

    def worker_process(self) -> UUID:
        process = WorkerProcess(worker_id=uuid4(), hostname="host", pid=1)
        with self.database.transaction() as cursor:
            worker_processes.register(cursor, process)
        return process.worker_process_id

    def run(self, **options: Any) -> Run:
        """Returns a run that has not begun. Also sets the flow's `batch_size` to the `batch_size` of the run."""
        run_options = replace(self.options, **options)
        self.execute(
            "UPDATE flows SET batch_size = %s WHERE flow_name = %s",
            (run_options.batch_size, run_options.flow_name),
        )
        return self.run_unconfigured(run_options)

    def run_unconfigured(self, run_options: RunOptions | None = None) -> Run:
        run = Run(
            database=self.database,
            options=run_options or self.options,
            position=QueuePosition(self.settings.cursor_seconds, self.settings.aging_claims),
            worker_process_id=self.worker_process(),
        )
        self._stack.enter_context(run)
        assert run.held.driver.info.backend_pid  # connects now, not later in another thread
        return run

    @property
    def rescue(self) -> Rescue:
        return Rescue(self.database, self.settings)

    def age(self, run: Run, seconds: float = 3600) -> None:
        """Moves the run's heartbeat into the past, as if the run had been silent since then."""
        self.execute(
            "UPDATE flow_execution_logs SET heartbeat_at = heartbeat_at - make_interval(secs => %s)"
            " WHERE flow_instance_id = %s",
            (seconds, run.flow_instance_id),
        )

    def _lease_seconds(self) -> float:
        """No run counts as silent before the server has been up for one lease. If the server has just started, the
        tests use a shorter lease."""
        return min(10.0, 0.9 * float(self.value(UPTIME)))

    def make_due(self) -> None:
        self.execute("UPDATE processing_queue SET scheduled_at = now() WHERE status = 'pending'")

    def execute(self, statement: str, parameters: Any = None) -> int:
        with self.database.transaction() as cursor:
            return cursor.execute(statement.encode(), parameters).rowcount

    def query(self, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        with self.database.transaction() as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()

    def value(self, statement: str, parameters: Any = None) -> Any:
        return self.query(statement, parameters)[0][0]

    def statuses(self) -> dict[str, int]:
        return dict(self.query("SELECT status, count(*) FROM processing_queue GROUP BY status"))  # type: ignore[arg-type]

    def status(self, record_id: int) -> str:
        return str(self.value("SELECT status FROM processing_queue WHERE id = %s", (record_id,)))

    def wait_until_blocked(self, held: HeldConnection) -> None:
        """Waits until the session of this connection waits for a lock. Behind PgBouncer, that session is not known, so
        this method waits until any session of the database waits for a lock."""
        if self.database.settings.pgbouncer:
            self.wait_until_a_session_is_blocked()
            return
        self._wait_for(IS_WAITING, (held.driver.info.backend_pid,))

    def wait_until_a_session_is_blocked(self) -> None:
        self._wait_for(ONE_IS_WAITING)

    def _wait_for(self, question: str, parameters: Any = None) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.value(question, parameters):
            assert time.monotonic() < deadline, "no session waits for a lock"
            time.sleep(0.005)


def completed(records: Sequence[Record]) -> list[Completed]:
    return [Completed(record, started=time.monotonic(), finished=time.monotonic()) for record in records]


def failed(records: Sequence[Record], retry_delay_seconds: float | None = None) -> list[Failure]:
    now = time.monotonic()
    return [
        Failure(r, now, now, "ValueError", "no", "ValueError", None, retry_delay_seconds) for r in records
    ]


def ids(records: Sequence[Record]) -> list[int]:
    return [record.id for record in records]


def in_background(work: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


@contextmanager
def store_on(database: DatabaseManager, **options: Any) -> Iterator[Store]:
    store = Store(database, **options)
    try:
        yield store
    finally:
        store.close()


def exchange(run: Run, outcomes: Sequence[Outcome]) -> tuple[Written, list[Record]]:
    """Writes the outcomes and claims the next batch, as the run loop does between two batches."""
    written, records = run.exchange(outcomes)
    return written, records or run.claim()
