"""Measures the time from just before the COMMIT of an enqueue until an idle worker starts the handler."""

import time
from itertools import pairwise

from celery import Celery
from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session as DatabaseSession

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import running_worker
from queue_store.enqueueing import enqueue
from queue_store.enqueueing.hints import CeleryHintSender, HintSender

WARM_UP = 5
HANDLERS_STARTED = """
SELECT extract(epoch FROM started_at)::float8 FROM processing_queue WHERE status = 'completed' ORDER BY id
"""
STEADY = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - created_at))
FROM processing_queue WHERE status = 'completed'
"""


def measure(session: Session) -> None:
    count = 500 if session.is_full else 200
    with running_worker(session.servers):
        waits = waits_from_idle(session, count)
        session.note("idle to start", "median", percentile(waits, 0.5) * 1000, "ms", at_most=4.5)
        session.note("idle to start", "99th percentile", percentile(waits, 0.99) * 1000, "ms", at_most=10)
        _steady(session, rate=1_000, seconds=180 if session.is_full else min(20, session.records // 1_000))
    _measure_stages(session, count)


def waits_from_idle(session: Session, count: int) -> list[float]:
    """The seconds from just before each COMMIT to the start of the handler. A worker must be running."""
    app, engine = _application(session)
    committing = _enqueue_one_by_one(session, engine, CeleryHintSender(app), count)
    engine.dispose()
    app.close()
    return _differences(committing, _handlers_started(session))


class TimedHints:
    """Notes the time of each call of `send`, which comes just after the COMMIT."""

    def __init__(self, hints: CeleryHintSender) -> None:
        self._hints = hints
        self.called: list[float] = []

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        self.called.append(time.time())
        return self._hints.send(flow_name, celery_queue, slot)


def _measure_stages(session: Session, count: int) -> None:
    """Measures the parts of the wait, with a worker that notes when each hint arrives."""
    file = session.servers.directory / "stages"
    file.unlink(missing_ok=True)
    settings = {"FLOW_MODULES": "benchmarks.hint_stages"}
    with running_worker(session.servers, settings=settings, environment={"STAGES_FILE": str(file)}):
        app, engine = _application(session)
        hints = TimedHints(CeleryHintSender(app))
        committing = _enqueue_one_by_one(session, engine, hints, count)
        engine.dispose()
        app.close()
    stages = [line.split() for line in file.read_text().splitlines()]
    moments = {
        "COMMIT": committing,
        "COMMIT to main process": hints.called,
        "main process to pool child": [float(at) for stage, at in stages if stage == "received"],
        "pool child to handler": [float(at) for stage, at in stages if stage == "started"],
        "": _handlers_started(session),
    }
    for (name, begun), (_, ended) in pairwise(moments.items()):
        session.note("idle to start, parts", name, percentile(_differences(begun, ended), 0.5) * 1000, "ms")


def _enqueue_one_by_one(session: Session, engine: Engine, hints: HintSender, count: int) -> list[float]:
    """Enqueues each record when the worker is idle again. Returns the times just before the COMMITs."""
    queue_state.empty(session.connection)
    committing: list[float] = []
    with DatabaseSession(engine) as database:
        for n in range(count + WARM_UP):
            enqueue(database, "no_op", {"n": n}, hint_sender=hints)
            committing.append(time.time())
            database.commit()
            queue_state.wait_until_finished(session.connection)
            time.sleep(0.01)
    return committing


def _handlers_started(session: Session) -> list[float]:
    return [row[0] for row in session.connection.execute(HANDLERS_STARTED).fetchall()]


def _differences(begun: list[float], ended: list[float]) -> list[float]:
    """Leaves out the first WARM_UP values, which were measured while the processes warmed up."""
    return [e - b for b, e in zip(begun[WARM_UP:], ended[WARM_UP:], strict=True)]


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
