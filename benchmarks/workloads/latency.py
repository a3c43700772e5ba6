"""How soon an idle worker begins: from just before the COMMIT of an enqueue to the start of the handler."""

import statistics
import time

from celery import Celery
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session as DatabaseSession

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import running_worker
from queue_store.enqueueing import enqueue
from queue_store.hints import CeleryHintSender

STARTED = "SELECT extract(epoch FROM started_at)::float8 FROM processing_queue WHERE status = 'completed' ORDER BY id"
STEADY = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at))
FROM processing_queue WHERE status = 'completed'
"""


def measure(session: Session) -> None:
    with running_worker(session.servers):
        _idle_to_start(session, 300 if session.is_full else 100)
        _steady(session, rate=1_000, seconds=60 if session.is_full else 10)


def _idle_to_start(session: Session, count: int) -> None:
    queue_state.empty(session.connection)
    app, engine = _application(session)
    hints = CeleryHintSender(app)
    committed: list[float] = []
    with DatabaseSession(engine) as database:
        for n in range(count + 5):
            enqueue(database, "no_op", {"n": n}, hint_sender=hints)
            committed.append(time.time())
            database.commit()
            queue_state.wait_until_finished(session.connection)
            time.sleep(0.01)
    engine.dispose()
    app.close()
    started = [row[0] for row in session.connection.execute(STARTED).fetchall()]
    waits = sorted((s - c) * 1000 for s, c in zip(started[5:], committed[5:], strict=True))
    session.note("idle to start", "median", statistics.median(waits), "ms", at_most=10)
    session.note("idle to start", "99th percentile", waits[int(len(waits) * 0.99)], "ms", at_most=50)


def _steady(session: Session, rate: int, seconds: int) -> None:
    """A producer that commits ten records a hundred times a second."""
    queue_state.empty(session.connection)
    app, engine = _application(session)
    hints = CeleryHintSender(app)
    with DatabaseSession(engine) as database:
        next_at = time.perf_counter()
        for _ in range(seconds * rate // 10):
            for n in range(10):
                enqueue(database, "no_op", {"n": n}, hint_sender=hints)
            database.commit()
            next_at += 10 / rate
            time.sleep(max(0.0, next_at - time.perf_counter()))
    queue_state.wait_until_finished(session.connection)
    engine.dispose()
    app.close()
    row = session.connection.execute(STEADY).fetchone()
    assert row is not None
    for name, value in zip(("median", "95th percentile", "99th percentile", "longest"), row[0], strict=True):
        session.note(f"steady {rate:,} records/s", name, value * 1000, "ms")


def _application(session: Session) -> tuple[Celery, Engine]:
    app = Celery("producer", broker=session.servers.broker_url)
    app.conf.task_create_missing_queues = True
    return app, create_engine(session.servers.url.replace("postgresql://", "postgresql+psycopg://"))
