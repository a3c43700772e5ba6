"""Measures enqueueing in bulk, and compares it with a bare COPY into the same table. Also measures enqueueing one by
one in the caller's transaction."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import create_engine
from sqlalchemy.orm import Session as DatabaseSession

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import running_worker
from queue_store.enqueueing import NewRecord, OnDuplicate, enqueue, enqueue_many

COPY = "COPY processing_queue (flow_name, payload) FROM STDIN"
CALLS = (
    "SELECT sum(calls)::int FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%' AND toplevel"
)


def measure(session: Session) -> None:
    with running_worker(session.servers, processes=1):
        pass  # registers the flows
    payloads = [{"n": n, "text": "x" * 150} for n in range(session.records)]
    lines = [b'no_op\t{"n": %d, "text": "%b"}\n' % (n, b"x" * 150) for n in range(session.records)]
    keyed = [NewRecord(payload, dedup_key=f"key-{payload['n']}") for payload in payloads]
    # One record in ten has the key of another record, so that no single COPY can insert all of them.
    repeated = [
        replace(record, dedup_key=f"key-{n - n % 10 if n % 10 == 9 else n}") for n, record in enumerate(keyed)
    ]
    copy = _timed(session, lambda: _copy(session, lines))
    for name, rows, on_duplicate, wanted in (
        ("enqueue_many : bare COPY", payloads, "raise", 0.7),
        ("enqueue_many with dedup keys : bare COPY", keyed, "raise", 0.5),
        ("enqueue_many that skips a tenth as duplicates : bare COPY", repeated, "skip", 0.5),
    ):
        ours = _timed(session, partial(_enqueue_many, session, rows, on_duplicate))
        session.note_ratio(compare(name, ours, copy, pairs=session.pairs, wanted=wanted))
    _one_by_one(session, payloads[:3000])


def _timed(session: Session, load: Callable[[], None]) -> Callable[[], float]:
    def rate() -> float:
        queue_state.empty(session.connection)
        return session.records / queue_state.seconds_of(load)

    return rate


def _copy(session: Session, lines: list[bytes]) -> None:
    with session.connection.cursor().copy(COPY) as copy:
        for first in range(0, len(lines), 100):
            copy.write(b"".join(lines[first : first + 100]))


def _enqueue_many(session: Session, rows: Sequence[object], on_duplicate: OnDuplicate) -> None:
    with session.connection.transaction():
        enqueue_many(session.connection, "no_op", rows, on_duplicate=on_duplicate)


def _one_by_one(session: Session, payloads: list[dict[str, object]]) -> None:
    queue_state.empty(session.connection)
    engine = create_engine(session.servers.url.replace("postgresql://", "postgresql+psycopg://"))
    with DatabaseSession(engine) as database:
        enqueue(database, "no_op", payloads[0])
        database.commit()
        session.connection.execute("SELECT pg_stat_statements_reset()")
        started = time.perf_counter()
        for payload in payloads:
            enqueue(database, "no_op", payload)
        database.commit()
        rate = len(payloads) / (time.perf_counter() - started)
    engine.dispose()
    row = session.connection.execute(CALLS).fetchone()
    assert row is not None
    session.note("enqueue one by one", "in one transaction", rate, "records/s")
    # The count includes BEGIN and COMMIT, which are not part of an enqueue, so the bound is a little above 1.
    per_record = round(row[0] / len(payloads), 2)
    session.note("enqueue one by one", "statements added", per_record, "for each record", at_most=1.01)
