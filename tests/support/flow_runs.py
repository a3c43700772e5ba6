"""Runs flows in the process of the test, on a real database. Does the work of a worker process, but without Celery."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from psycopg.rows import namedtuple_row
from psycopg.types.json import Jsonb

from queue_store.flows import register
from queue_store.runs.run import RunCounts
from queue_store.settings import ProcessorSettings
from tasks.authoring.declaration import declare
from tasks.authoring.flow import Flow
from tasks.run_loop.loop import run_flow
from tasks.worker.services import WorkerServices, declaration


@dataclass
class Worker:
    """A worker process without its heartbeat."""

    services: WorkerServices

    def declare(self, handler: Callable[..., Any], **options: Any) -> Flow:
        flow = declare(handler, options)
        self.services.flows[flow.name] = flow
        with self.services.database.transaction() as cursor:
            register(cursor, [declaration(flow, self.services.settings)])
        return flow

    def enqueue(self, flow_name: str, payloads: Iterable[Any], **columns: Any) -> list[int]:
        ids: list[int] = []
        with self.services.database.transaction() as cursor:
            for payload in payloads:
                row = cursor.execute(
                    "INSERT INTO processing_queue (flow_name, payload, order_key, priority)"
                    " VALUES (%(flow_name)s, %(payload)s, %(order_key)s, %(priority)s) RETURNING id",
                    {"order_key": None, "priority": 5} | columns
                    | {"flow_name": flow_name, "payload": Jsonb(payload)},
                ).fetchone()  # fmt: skip
                assert row is not None
                ids.append(row[0])
        return ids

    def run(self, flow: Flow) -> RunCounts:
        return run_flow(self.services, flow)

    def process(self, handler: Callable[..., Any], payloads: Iterable[Any], **options: Any) -> list[Any]:
        """Declares a flow, enqueues the payloads, and runs the flow once. Returns the records' rows in the order of the
        payloads."""
        flow = self.declare(handler, **options)
        ids = self.enqueue(flow.name, payloads)
        self.run(flow)
        return self.rows(ids)

    def rows(self, ids: list[int]) -> list[Any]:
        return self.query("SELECT * FROM processing_queue WHERE id = ANY(%(ids)s) ORDER BY id", ids=ids)

    def query(self, statement: str, **parameters: Any) -> list[Any]:
        with self.services.database.transaction() as cursor:
            cursor.row_factory = namedtuple_row
            cursor.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def statuses(self) -> dict[str, int]:
        return dict(
            self.query("SELECT status, count(*) FROM processing_queue GROUP BY status ORDER BY status")
        )

    def make_due(self) -> None:
        self.query("UPDATE processing_queue SET scheduled_at = now() WHERE status = 'pending'")


@contextmanager
def running_worker(url: str, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Iterator[Worker]:
    """The worker has only the flows that the test declares. Flows of imported test modules are left out, because
    their schedules would add records."""
    monkeypatch.setenv("DATABASE_URL", url)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.worker.services.load_flows", lambda _: {})
        services = WorkerServices(ProcessorSettings(flow_modules=(), **settings), ["flows"])
    services.register()
    try:
        yield Worker(services)
    finally:
        services.close()
