"""Measures handlers that wait for five milliseconds. The system should add almost no time to the handlers' waits."""

import statistics

from benchmarks import queue_state
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

WAIT_SECONDS = 0.005
PROCESSES = 2
BATCHES = 20  # an even number, so that both processes have the same work
CASES = {
    "one by one": ("waits", 1),
    "ten threads": ("waits_in_threads", 10),
    "ten coroutines": ("waits_async_10", 10),
    "25 coroutines": ("waits_async_25", 25),
    "50 coroutines": ("waits_async_50", 50),
}


def measure(session: Session) -> None:
    """The ideal rate is the lower of two rates: the rate that the waits allow, and the rate of no-op handlers."""
    with running_worker(session.servers, PROCESSES) as worker:
        seconds = min(3.0, session.records / 10_000)
        limit = _median(session, worker, "no_op", session.records)
        for name, (flow_name, concurrency) in CASES.items():
            ideal = min(PROCESSES * concurrency / WAIT_SECONDS, limit)
            batches = max(BATCHES, int(ideal * seconds / 100 / BATCHES) * BATCHES)
            rate = _median(session, worker, flow_name, batches * 100)
            session.note("waiting 5 ms", name, rate, "records/s")
            session.note("waiting 5 ms", f"{name}, share of {ideal:,.0f}/s", rate / ideal, "", at_least=0.9)


def _median(session: Session, worker: Worker, flow_name: str, count: int) -> float:
    return statistics.median(_rate(session, worker, flow_name, count) for _ in range(3))


def _rate(session: Session, worker: Worker, flow_name: str, count: int) -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, count, flow_name)
    return queue_state.drain(session.connection, worker, count, flow_name)
