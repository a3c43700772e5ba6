"""Handlers that wait five milliseconds: the system should not be what they wait for."""

import statistics

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

WAIT_SECONDS = 0.005
PROCESSES = 2
CONCURRENCY = 50
CASES = (("waits", PROCESSES, 50), ("waits_async", PROCESSES * CONCURRENCY, 2))


def measure(session: Session) -> None:
    with running_worker(session.servers, PROCESSES) as worker:
        for flow_name, at_a_time, share in CASES:
            rates = [_rate(session, worker, flow_name, session.records // share) for _ in range(3)]
            rate, ideal = statistics.median(rates), at_a_time / WAIT_SECONDS
            session.note("waiting 5 ms", f"{flow_name}, {at_a_time} at a time", rate, "records/s")
            session.note(
                "waiting 5 ms", f"{flow_name}, share of {ideal:,.0f}/s", rate / ideal, "", at_least=0.9
            )


def _rate(session: Session, worker: Worker, flow_name: str, count: int) -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, count, flow_name)
    return queue_state.drain(session.connection, worker, count, flow_name)
