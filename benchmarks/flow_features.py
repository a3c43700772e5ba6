"""What promises to flow authors cost, measured in one process on a Postgres of its own with its default settings.

    python -m benchmarks.flow_features one-commit    # against the same rows written by hand, and with failing records
    python -m benchmarks.flow_features concurrency   # handlers that wait 5 ms, against n / 5 ms

Each figure is the median of ROUNDS rounds; variants take turns, so that a busy minute of the machine hits all.
"""

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from queue_store import schema
from queue_store.flows import register
from queue_store.record import Completed
from queue_store.run import Run
from queue_store.run_counts import RunOptions
from queue_store.settings import ProcessorSettings
from tasks import FlowContext, PermanentError
from tasks.declaration import declare
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.flow import Flow
from tasks.run_loop.loop import run_flow
from tasks.worker_process import WorkerServices, declaration
from tests.servers import reachable_directory

ROUNDS = 3
RECORDS = 10_000
INSERT = "INSERT INTO effects (record_id, what) VALUES (%(record_id)s, %(what)s)"


def by_connection(payload: dict[str, Any], connection: Connection, context: FlowContext) -> None:
    connection.exec_driver_sql(INSERT, {"record_id": context.record_id, "what": "row"})
    if payload["fails"]:
        raise PermanentError


def by_driver(payload: dict[str, Any], connection: "psycopg.Connection[Any]", context: FlowContext) -> None:
    connection.execute(INSERT, {"record_id": context.record_id, "what": "row"})
    if payload["fails"]:
        raise PermanentError


async def by_async_connection(
    payload: dict[str, Any], connection: AsyncConnection, context: FlowContext
) -> None:
    await connection.exec_driver_sql(INSERT, {"record_id": context.record_id, "what": "row"})
    if payload["fails"]:
        raise PermanentError


def by_batch(records: list[FlowContext], connection: "psycopg.Connection[Any]") -> list[Any]:
    rows = [{"record_id": record.record_id, "what": "row"} for record in records]
    with connection.cursor() as cursor:
        cursor.executemany(INSERT, rows)
    return [PermanentError() if record.payload["fails"] else None for record in records]


def by_hand(services: WorkerServices, flow: Flow, write: Callable[[Run, int], None]) -> None:
    """The baseline: a batch's rows in one transaction without savepoints, acknowledged after it in another."""
    options = RunOptions(flow.name, 100, 3)
    cursor = services.cursor(flow.name)
    with Run(services.database, options, cursor, services.process.worker_process_id) as run:
        records = run.begin()
        while records:
            started = time.monotonic()
            with run.held.transaction():
                for record in records:
                    assert not record.payload["fails"]
                    write(run, record.id)
            now = time.monotonic()
            _, records = run.write_and_claim([Completed(record, started, now) for record in records])
        run.end()


def write_by_connection(run: Run, record_id: int) -> None:
    run.held.sqlalchemy.exec_driver_sql(INSERT, {"record_id": record_id, "what": "row"})


def write_by_driver(run: Run, record_id: int) -> None:
    run.held.driver.execute(INSERT, {"record_id": record_id, "what": "row"})


async def wait_5_ms(payload: Any) -> None:
    await asyncio.sleep(0.005)


def sleep_5_ms(payload: Any) -> None:
    time.sleep(0.005)


class Bench:
    def __init__(self, services: WorkerServices) -> None:
        self.services = services

    def rate(self, work: Callable[[], object], flow: Flow, records: int, failing: float = 0) -> float:
        """Records per second."""
        with self.services.database.transaction() as cursor:
            cursor.execute(b"TRUNCATE processing_queue, effects")
            cursor.execute(
                b"INSERT INTO processing_queue (flow_name, payload) SELECT %(flow)s, jsonb_build_object('fails', "
                b"%(failing)s::float8 > 0 AND n %% (1 / nullif(%(failing)s::float8, 0))::int = 0) "
                b"FROM generate_series(1, %(records)s) n",
                {"flow": flow.name, "records": records, "failing": failing},
            )
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE processing_queue")
        started = time.monotonic()
        work()
        seconds = time.monotonic() - started
        with self.services.database.transaction() as cursor:
            row = cursor.execute(
                b"SELECT count(*) FROM processing_queue WHERE status IN ('completed', 'failed')"
            ).fetchone()
        assert row == (records,), row
        return records / seconds

    def flow(self, handler: Callable[..., Any], **options: Any) -> Flow:
        flow = declare(handler, {"batch_size": 100} | options)
        with self.services.database.transaction() as cursor:
            register(cursor, [declaration(flow, self.services.settings)])
        return flow


def one_commit(bench: Bench) -> None:
    flows = {
        handler.__name__: bench.flow(handler) for handler in (by_connection, by_driver, by_async_connection)
    }
    flows["by_batch"] = bench.flow(by_batch, batch=True)
    works: dict[str, tuple[Callable[[], object], Flow, float]] = {
        "hand-written, SQLAlchemy": (
            lambda: by_hand(bench.services, flows["by_connection"], write_by_connection), flows["by_connection"], 0),
        "hand-written, psycopg": (
            lambda: by_hand(bench.services, flows["by_driver"], write_by_driver), flows["by_driver"], 0),
    }  # fmt: skip
    for name, flow in flows.items():
        for share in (0, 0.001, 0.01, 0.1):
            works[f"{name}, {share:.1%} fail"] = (
                lambda flow=flow: run_flow(bench.services, flow),
                flow,
                share,
            )
    rates: dict[str, list[float]] = {name: [] for name in works}
    for number in range(ROUNDS):
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
        for name, (work, flow, share) in works.items():
            rates[name].append(bench.rate(work, flow, RECORDS, share))
    for name, measured in rates.items():
        baseline = "hand-written, SQLAlchemy" if "connection" in name else "hand-written, psycopg"
        ratio = statistics.median(measured) / statistics.median(rates[baseline])
        print(f"{name:40} {statistics.median(measured):8.0f} records/s   {ratio:6.1%} of {baseline}")


def concurrency(bench: Bench) -> None:
    for kind, handler, numbers in (
        ("tasks", wait_5_ms, (1, 10, 50, 100)),
        ("threads", sleep_5_ms, (2, 10, 50)),
    ):
        for n in numbers:
            flow = bench.flow(handler, concurrency=n)
            records = min(20_000, 400 * n)
            measured = [
                bench.rate(lambda flow=flow: run_flow(bench.services, flow), flow, records)
                for _ in range(ROUNDS)
            ]
            bare = statistics.median(bare_rate(kind, n, records) for _ in range(ROUNDS))
            rate = statistics.median(measured)
            print(
                f"{n:4} {kind:8} {rate:8.0f} records/s   {rate * 0.005 / n:6.1%} of n / 5 ms   "
                f"{rate / bare:6.1%} of {bare:.0f}/s, the same waits without any queue"
            )


def bare_rate(kind: str, n: int, count: int) -> float:
    """What this machine makes of the same handlers, called from nothing but n loops."""
    started = time.monotonic()
    if kind == "tasks":
        asyncio.run(_wait_side_by_side(n, count // n))
    else:
        with ThreadPoolExecutor(n) as pool:
            list(pool.map(sleep_5_ms, range(count)))
    return count / (time.monotonic() - started)


async def _wait_side_by_side(n: int, count_each: int) -> None:
    async def wait_often() -> None:
        for _ in range(count_each):
            await wait_5_ms(None)

    await asyncio.gather(*(wait_often() for _ in range(n)))


@contextmanager
def bench_on_own_postgres() -> Iterator[Bench]:
    with reachable_directory() as directory:
        server = EmbeddedPostgres(Path(directory))
        server.start()
        try:
            os.environ["DATABASE_URL"] = server.url()
            services = WorkerServices(ProcessorSettings(flow_modules=(), time_slice_seconds=3600), ["flows"])
            schema.migrate(services.database.engine)
            services.register()
            with services.database.transaction() as cursor:
                cursor.execute(b"CREATE TABLE effects (record_id bigint, what text)")
            yield Bench(services)
            services.close()
        finally:
            server.stop()


if __name__ == "__main__":
    measure = {"one-commit": one_commit, "concurrency": concurrency}.get(
        sys.argv[1] if len(sys.argv) == 2 else ""
    )
    if measure is None:
        sys.exit(__doc__)
    with bench_on_own_postgres() as ready:
        measure(ready)
