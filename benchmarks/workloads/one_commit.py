"""Measures flows that write one row for each record, in the transaction that also writes the record's new status.
Compares these flows with hand-written workers that do the same."""

import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks import queue_state
from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

ROOT = Path(__file__).parents[2]
CREATE = "CREATE TABLE IF NOT EXISTS bench_rows (record_id bigint NOT NULL, doubled bigint NOT NULL)"
SHARES_OF_1000 = (0, 1, 10, 100)
FAILING = "UPDATE processing_queue SET payload = payload || jsonb_build_object('fails_of_1000', %s::int)"
FAILED_SPAN = """
SELECT extract(epoch FROM max(updated_at) - min(claimed_at))::float8
FROM processing_queue WHERE status IN ('completed', 'failed')
"""


def measure(session: Session) -> None:
    session.connection.execute(CREATE)
    with running_worker(session.servers) as worker:
        session.note_ratio(
            compare(
                "one COMMIT : the same by hand",
                lambda: _ours(session, worker),
                lambda: _by_hand(session),
                pairs=session.pairs,
                wanted=0.9,
            )
        )
        _curve(session, worker)


def _curve(session: Session, worker: Worker) -> None:
    """Measures all shares of failing records in turn, three times. So if the machine is busy for a minute, each share
    also has measurements from quieter minutes."""
    rates: dict[int, list[float]] = {share: [] for share in SHARES_OF_1000}
    for _ in range(3):
        for share, measured in rates.items():
            measured.append(_failing(session, worker, share))
    whole = statistics.median(rates[0])
    for share, measured in rates.items():
        rate = statistics.median(measured)
        session.note("one COMMIT, failing", f"{share / 10:g} %", rate, "records/s")
        session.note("one COMMIT, failing", f"{share / 10:g} %, share of the rate without", rate / whole, "")


def _count(session: Session) -> int:
    return session.records // 2


def _fill(session: Session, flow_name: str = "writes_row") -> None:
    session.connection.execute("TRUNCATE bench_rows")
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, _count(session), flow_name)


def _ours(session: Session, worker: Worker) -> float:
    _fill(session)
    return queue_state.drain(session.connection, worker, _count(session), "writes_row")


def _by_hand(session: Session) -> float:
    _fill(session)
    _work_by_hand(session)
    return queue_state.rate_since(session.connection, 0, _count(session))


def _work_by_hand(session: Session) -> None:
    """Starts both hand-written workers. The two workers begin to claim only when both are connected, because our
    processes are also connected before they claim."""
    command = [sys.executable, "-m", "benchmarks.hand_written", session.servers.url]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)
    ]
    for process in processes:
        assert process.stdout
        process.stdout.readline()
    for process in processes:
        assert process.stdin
        process.stdin.close()
    if any(process.wait() for process in processes):
        raise RuntimeError("the hand-written worker failed")


def _failing(session: Session, worker: Worker, fails_of_1000: int) -> float:
    """Some records fail at their first attempt, and get no further attempt. So each record has exactly one attempt."""
    _fill(session, "writes_row_or_fails")
    session.connection.execute(FAILING, (fails_of_1000,))
    queue_state.settle(session.connection)
    worker.hint("writes_row_or_fails")
    queue_state.wait_until_finished(session.connection)
    row = session.connection.execute(FAILED_SPAN).fetchone()
    assert row is not None
    return _count(session) / float(row[0])
