"""`python -m benchmarks [--full] [--records N] [--pairs N] [WORKLOAD …]`"""

import argparse
import os
import sys
import time
import traceback
from pathlib import Path

from benchmarks.bench_servers import running_servers
from benchmarks.report import RESULTS, write_report
from benchmarks.session import Session
from benchmarks.workloads import (
    cost,
    drain,
    enqueue,
    express,
    flatness,
    latency,
    one_commit,
    peers,
    typed,
    waiting,
)

QUICK = {
    "drain": drain.measure,
    "express": express.measure,
    "enqueue": enqueue.measure,
    "typed": typed.measure,
    "latency": latency.measure,
    "waiting": waiting.measure,
    "one_commit": one_commit.measure,
    "cost": cost.measure,
    "flatness": flatness.measure,
    "snapshots": flatness.measure_snapshots,
}
FULL = QUICK | {"peers": peers.measure}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("workloads", nargs="*", help="default: all, but peers only with --full")
    parser.add_argument(
        "--full", action="store_true", help="also measure peers, and a table with ten million finished rows"
    )
    parser.add_argument("--records", type=int, default=0, help="the number of records in one measurement")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument(
        "--many", type=int, default=0, help="the number of records after which the memory growth is measured"
    )
    parser.add_argument("--name", help="the name of the report (default: quick or full)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the directory of the report")
    parser.add_argument("--peer", default="", help="compare only with this peer (part of its name)")
    options = parser.parse_args()
    unknown = set(options.workloads) - set(FULL)
    if unknown:
        parser.error(f"unknown workload {', '.join(sorted(unknown))}: choose from {', '.join(FULL)}")
    os.environ["BENCH_LOAD"] = " ".join(f"{load:.1f}" for load in os.getloadavg())
    started = time.monotonic()
    records = options.records or (100_000 if options.full else 40_000)
    with running_servers() as servers, servers.connect() as connection:
        session = Session(servers, connection, records, options.pairs, options.full)
        session.command = f"python -m benchmarks {' '.join(sys.argv[1:])}".strip()
        session.name = options.name or session.name
        session.only_peer = options.peer
        session.many = options.many or (1_000_000 if options.full else 2 * records)
        for name in options.workloads or (FULL if options.full else QUICK):
            print(f"{name}:", flush=True)
            try:
                FULL[name](session)
            except KeyboardInterrupt:
                session.failed.append(f"{name} and what follows (interrupted)")
                break
            except Exception:  # noqa: BLE001  (the other workloads can still be measured)
                traceback.print_exc()
                session.failed.append(name)
            finally:
                report = write_report(
                    session, options.results, time.monotonic() - started
                )  # the report covers all measurements so far
    print(f"the report is {report}")
    if session.failed:
        raise SystemExit(f"could not be measured: {', '.join(session.failed)}")


if __name__ == "__main__":
    main()
