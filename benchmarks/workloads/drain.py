"""The no-op drain. Compares the rate of the whole system with the rate of Postgres alone."""

from benchmarks import limit, queue_state
from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker

CLAIMED = "no_op_claimed"
WANTED = 0.8
WANTED_OF_SLICES = 0.5
WANTED_OF_SMALL_FLOWS = 0.8
ROUNDS = 5  # in each round, one process runs about half of the flows


def measure(session: Session) -> None:
    with running_worker(session.servers) as worker:
        for flow_name in (CLAIMED, "no_op"):
            ours(session, worker, flow_name)  # a warm-up: the first batches of a new process are slower
        session.note_ratio(
            compare(
                "no-op drain, claimed : limit (pgbench, its statements)",
                lambda: ours(session, worker, CLAIMED),
                lambda: the_limit(session),
                pairs=session.pairs,
                wanted=WANTED,
            )
        )
        session.note_ratio(
            compare(
                "no-op drain, express : limit (pgbench, its statements)",
                lambda: ours(session, worker),
                lambda: the_limit(session, in_slices=True),
                pairs=session.pairs,
                wanted=WANTED_OF_SLICES,
            )
        )
        _become_express(session, worker)
        session.note_ratio(
            compare(
                "one hundred flows : one flow",
                lambda: _hundred_flows(session, worker),
                lambda: ours(session, worker),
                pairs=session.pairs,
                wanted=WANTED_OF_SMALL_FLOWS,
            )
        )
        session.note_ratio(
            compare(
                "one hundred flows, woken by the fan-out : one flow",
                lambda: _hundred_flows(session, worker, by_fan_out=True),
                lambda: ours(session, worker),
                pairs=session.pairs,
                wanted=WANTED_OF_SMALL_FLOWS,
            )
        )
        _cpu(session, worker)
        _variety(session, worker)


def ours(session: Session, worker: Worker, flow_name: str = "no_op") -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, session.records, flow_name)
    return queue_state.drain(session.connection, worker, session.records, flow_name)


def the_limit(session: Session, *, in_slices: bool = False) -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, session.records)
    return limit.drain_with_pgbench(session.servers, session.connection, session.records, in_slices=in_slices)


def _cpu(session: Session, worker: Worker) -> None:
    """Measures CPU seconds. Unlike rates, CPU seconds hardly depend on other programs on the machine."""
    thousands = session.records / 1000
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, session.records)
    server, own = session.servers.cpu_seconds(), worker.cpu_seconds()
    queue_state.drain(session.connection, worker, session.records)
    server_used = (session.servers.cpu_seconds() - server) / thousands * 1000
    own_used = (worker.cpu_seconds() - own) / thousands * 1000
    the_limit_server = _limit_cpu(session) / thousands * 1000
    session.note("CPU for 1,000 records", "Postgres", server_used, "ms")
    session.note("CPU for 1,000 records", "worker", own_used, "ms")
    session.note("CPU for 1,000 records", "Postgres under pgbench", the_limit_server, "ms")


def _limit_cpu(session: Session) -> float:
    queue_state.empty(session.connection)
    queue_state.enqueue(session.connection, session.records)
    before = session.servers.cpu_seconds()
    limit.drain_with_pgbench(session.servers, session.connection, session.records, in_slices=True)
    return session.servers.cpu_seconds() - before


def _variety(session: Session, worker: Worker) -> None:
    for name, options in (
        ("payloads of 0.2 kB", {}),
        ("payloads of 2 kB", {"text_length": 1_950}),
        ("payloads of 20 kB", {"text_length": 19_950}),
        ("ten priorities", {"mixed": True}),
    ):
        count = session.records // (10 if "20 kB" in name else 1)
        queue_state.empty(session.connection)
        queue_state.enqueue(session.connection, count, **options)  # type: ignore[arg-type]
        session.note("drain", name, queue_state.drain(session.connection, worker, count), "records/s")


def _become_express(session: Session, worker: Worker) -> None:
    """Runs the hundred flows until they are express in both worker processes. `no_op` is express already."""
    first, *_ = [_hundred_flows(session, worker, by_fan_out=True) for _ in range(ROUNDS)]
    session.note("drain", "one hundred flows that are not express yet", first, "records/s")


def _hundred_flows(session: Session, worker: Worker, *, by_fan_out: bool = False) -> float:
    """`by_fan_out`: the worker finds the flows itself, as when beat wakes it. Without `by_fan_out`, the benchmark's own
    process sends two hints for each flow, and so uses some of the CPU."""
    queue_state.empty(session.connection)
    each = max(100, session.records // 100)
    flows = [f"no_op_{number}" for number in range(100)]
    for flow in flows:
        queue_state.enqueue(session.connection, each, flow, settled=False)
    queue_state.settle(session.connection)
    if by_fan_out:
        worker.fan_out()
    else:
        for flow in flows:
            worker.hint(flow, count=1)
    queue_state.wait_until_finished(session.connection)
    worker.wait_until_idle()
    return queue_state.rate_since(session.connection, 0, each * len(flows))
