"""Compares the speed and the cost of two kinds of flows with the same handlers. One kind becomes express automatically.
The other kind has `express=False`."""

from benchmarks.figures import compare
from benchmarks.session import Session
from benchmarks.worker import Worker, running_worker
from benchmarks.workloads.drain import ours
from benchmarks.workloads.one_commit import CREATE

HANDLERS = {"no-op": "no_op", "no-op batch handler": "no_op_batch", "one COMMIT": "writes_row"}
WANTED = {"no-op": 1.7, "no-op batch handler": 1.7, "one COMMIT": 1.3}


def measure(session: Session) -> None:
    session.connection.execute(CREATE)
    with running_worker(session.servers) as worker:
        for handler, flow_name in HANDLERS.items():
            _compare(session, worker, handler, flow_name)
        for handler, flow_name in HANDLERS.items():
            _cost(session, worker, f"{handler}, claimed", f"{flow_name}_claimed")
            _cost(session, worker, f"{handler}, express", flow_name)


def _compare(session: Session, worker: Worker, handler: str, flow_name: str) -> None:
    ours(session, worker, flow_name)  # a flow becomes express after some batches
    session.note_ratio(
        compare(
            f"{handler} drain, express : claimed",
            lambda: ours(session, worker, flow_name),
            lambda: ours(session, worker, f"{flow_name}_claimed"),
            pairs=session.pairs,
            wanted=WANTED[handler],
        )
    )


def _cost(session: Session, worker: Worker, way: str, flow_name: str) -> None:
    """Measures the cost of a record, including the enqueue. The enqueue costs the same for both kinds of flow."""
    server, own, log = session.servers.cpu_seconds(), worker.cpu_seconds(), _log_bytes(session)
    ours(session, worker, flow_name)
    thousands = session.records / 1000
    session.note(
        "CPU for 1,000 records",
        f"Postgres, {way}",
        (session.servers.cpu_seconds() - server) / thousands * 1000,
        "ms",
    )
    session.note(
        "CPU for 1,000 records", f"worker, {way}", (worker.cpu_seconds() - own) / thousands * 1000, "ms"
    )
    session.note("WAL of a record", way, (_log_bytes(session) - log) / session.records, "B")


def _log_bytes(session: Session) -> float:
    row = session.connection.execute("SELECT (pg_current_wal_lsn() - '0/0')::float8").fetchone()
    assert row is not None
    return float(row[0])
