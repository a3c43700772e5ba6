"""Measures the speed under four conditions: with finished rows, with a held snapshot, with long transactions of
readers, and with hints that find no work."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

DEAD_HINTS = 5_000
READERS = 4
READER_SECONDS = 2.0
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ"
LOOK = "SELECT count(*) FROM processing_queue"


def measure(session: Session) -> None:
    with running_worker(session.servers) as worker:
        _drain(session, worker)
        _control(session, worker)
        _with_dead_hints(session, worker)
        _with_history(session, worker)


def measure_snapshots(session: Session) -> None:
    with running_worker(session.servers) as worker:
        _drain(session, worker)
        _under_a_snapshot(session, worker)
        _beside_readers(session, worker)


def _drain(session: Session, worker: Worker, count: int | None = None) -> float:
    count = count or session.records
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, count)
    return queue_state.drain(session.connection, worker, count)


def _control(session: Session, worker: Worker) -> None:
    """Compares two equal drains, to show how much a ratio varies on this machine by chance."""
    session.note_ratio(
        compare(
            "drain : drain (control)",
            lambda: _drain(session, worker),
            lambda: _drain(session, worker),
            pairs=session.pairs,
        )
    )


def _with_history(session: Session, worker: Worker) -> None:
    """Measures two databases on one server alternately. Only one of the databases contains finished rows."""
    servers = session.servers.with_another_database("with_history")
    with servers.connect() as connection, running_worker(servers) as historian:
        known = 0
        for millions in (1, 10) if session.is_full else (1,):
            queue_state.add_finished(connection, millions * 1_000_000 - known)
            known = millions * 1_000_000

            def with_history() -> float:
                queue_state.enqueue(connection, session.records)
                return queue_state.drain(connection, historian, session.records)

            with_history()
            session.note_ratio(
                compare(
                    f"drain with {millions} million finished rows : without",
                    with_history,
                    lambda: _drain(session, worker),
                    pairs=session.pairs,
                    wanted=0.95,
                )
            )


def _under_a_snapshot(session: Session, worker: Worker) -> None:
    count = 500_000 if session.is_full else 2 * session.records

    def held() -> float:
        queue_state.empty(session.connection)
        queue_state.enqueue(session.connection, count)
        with session.servers.connect() as holder:
            holder.execute(BEGIN)
            holder.execute("SELECT count(*) FROM flows")
            rate = queue_state.drain(session.connection, worker, count)
            holder.execute("ROLLBACK")
        return rate

    session.note_ratio(
        compare(
            f"{count:,} records under a held snapshot : without",
            held,
            lambda: _drain(session, worker, count),
            pairs=session.pairs,
            wanted=0.95,
        )
    )


def _beside_readers(session: Session, worker: Worker) -> None:
    """The smaller the machine, the larger the share of its CPU that the readers' scans use."""
    count = 5 * session.records

    def next_to_readers() -> float:
        queue_state.empty(session.connection)
        queue_state.enqueue(session.connection, count)
        with _readers(session):
            return queue_state.drain(session.connection, worker, count)

    session.note_ratio(
        compare(
            "drain next to four overlapping REPEATABLE READ readers : alone",
            next_to_readers,
            lambda: _drain(session, worker, count),
            pairs=session.pairs,
            wanted=0.95,
        )
    )


@contextmanager
def _readers(session: Session) -> Iterator[None]:
    """Starts four readers. The body of the `with` block begins when all readers are in their first transaction. While
    the body runs, at least one reader holds a snapshot at any time."""
    ended = threading.Event()
    begun = threading.Barrier(READERS + 1)

    def read(number: int) -> None:
        with session.servers.connect() as connection:
            for turn in itertools.count():
                connection.execute(BEGIN)
                connection.execute(LOOK)
                if turn == 0:
                    begun.wait()
                    ended.wait(READER_SECONDS * number / READERS)
                ended.wait(READER_SECONDS)
                connection.execute(LOOK)
                connection.execute("COMMIT")
                if ended.is_set():
                    return

    threads = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _with_dead_hints(session: Session, worker: Worker) -> None:
    """A hint is dead if its flow has no due record when the hint is sent. Sends far more dead hints than the bound on
    hints allows, as another client could, and then the real hint."""

    def with_dead_hints() -> float:
        queue_state.empty(session.connection)
        worker.pile_up_dead_hints(DEAD_HINTS)
        last_id = queue_state.enqueue(session.connection, session.records, settled=False)
        worker.hint()
        queue_state.wait_until_finished(session.connection)
        rate = queue_state.rate_since(session.connection, last_id, session.records)
        worker.wait_until_hints_are_gone()
        return rate

    session.note_ratio(
        compare(
            f"drain behind {DEAD_HINTS:,} dead hints in the broker : without",
            with_dead_hints,
            lambda: _drain(session, worker),
            pairs=session.pairs,
        )
    )
