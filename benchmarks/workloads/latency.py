"""Measures how soon an idle worker begins: from just before an enqueue's COMMIT to the start of the handler."""

import time

from celery import Celery
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session as DatabaseSession

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import running_worker
from queue_store.enqueueing import enqueue
from queue_store.enqueueing.hints import CeleryHintSender

WARM_UP = 5
STARTED = "SELECT extract(epoch FROM started_at)::float8 FROM processing_queue WHERE status = 'completed' ORDER BY id"
STEADY = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at))
FROM processing_queue WHERE status = 'completed'
"""


def measure(session: Session) -> None:
    with running_worker(session.servers):
        waits = waits_from_idle(session, 500 if session.is_full else 200)
        session.note("idle to start", "median", percentile(waits, 0.5) * 1000, "ms", at_most=4.5)
        session.note("idle to start", "99th percentile", percentile(waits, 0.99) * 1000, "ms", at_most=10)
        _steady(session, rate=1_000, seconds=180 if session.is_full else min(20, session.records // 1_000))


def waits_from_idle(session: Session, count: int) -> list[float]:
    """The seconds from just before each COMMIT to the start of the handler. A worker must be running."""
    queue_state.empty(session.connection)
    app, engine = _application(session)
    hints = CeleryHintSender(app)
    committed: list[float] = []
    with DatabaseSession(engine) as database:
        for n in range(count + WARM_UP):
            enqueue(database, "no_op", {"n": n}, hint_sender=hints)
            committed.append(time.time())
            database.commit()
            queue_state.wait_until_finished(session.connection)
            time.sleep(0.01)
    engine.dispose()
    app.close()
    started = [row[0] for row in session.connection.execute(STARTED).fetchall()]
    return [s - c for s, c in zip(started[WARM_UP:], committed[WARM_UP:], strict=True)]


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _steady(session: Session, rate: int, seconds: int) -> None:
    """Runs a producer that commits ten records at a time, at the given rate."""
    queue_state.empty(session.connection)
    app, engine = _application(session)
    hints = CeleryHintSender(app)
    with DatabaseSession(engine) as database:
        began = next_at = time.perf_counter()
        for _ in range(seconds * rate // 10):
            for n in range(10):
                enqueue(database, "no_op", {"n": n}, hint_sender=hints)
            database.commit()
            next_at += 10 / rate
            time.sleep(max(0.0, next_at - time.perf_counter()))
        achieved = seconds * rate / (time.perf_counter() - began)
    queue_state.wait_until_finished(session.connection)
    engine.dispose()
    app.close()
    row = session.connection.execute(STEADY).fetchone()
    assert row is not None
    session.note(f"steady {rate:,} records/s", "achieved", achieved, "records/s", at_least=0.99 * rate)
    for name, value in zip(("median", "95th percentile", "99th percentile", "longest"), row[0], strict=True):
        session.note(f"steady {rate:,} records/s", name, value * 1000, "ms")


def _application(session: Session) -> tuple[Celery, Engine]:
    app = Celery("producer", broker=session.servers.broker_url)
    app.conf.task_create_missing_queues = True
    return app, create_engine(session.servers.url.replace("postgresql://", "postgresql+psycopg://"))
