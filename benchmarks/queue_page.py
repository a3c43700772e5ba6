"""How long each view of the Queue page takes at the server with millions of finished rows: `make bench-queue-page`
(ROWS=10000000).

Starts a Postgres of its own with default durability, makes the rows as the monitoring benchmark does, asks for every
view a number of times as a browser would, and prints the quickest, the median and the worst. Exit code 1 when a median
is above the bound.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import orjson

from benchmarks.monitoring import SETTINGS, make_rows
from tasks.embedded.postgres import EmbeddedPostgres

BOUND_MILLISECONDS = 100.0
TIMES = 15
QUESTIONS = {
    "overview": {},
    "charts 1h": {"span": "1h"},
    "charts 24h": {"span": "24h"},
    "charts 7d": {"span": "7d"},
    "charts 7d, one flow": {"span": "7d", "flow": "flow_1"},
    "flow": {"flow": "flow_1"},
    "records, newest": {},
    "records, failed of a flow": {"status": "failed", "flow": "flow_0"},
    "records, failed, by error": {"status": "failed", "error": "no such order"},
    "records, failed, nothing found": {"status": "failed", "error": "never seen"},
    "records, by payload": {"payload_key": "n", "payload_value": "17"},
    "records, by date": {"from": "2026-01-01", "status": "completed"},
    "records, cancelled: none": {"status": "cancelled"},
    "record": {"id": "50"},
    "failures 1h": {"span": "1h"},
    "failures 7d": {"span": "7d"},
    "attempts": {"group": "group 0"},
    "runs": {},
    "alerts": {},
    "schedule": {},
    "audit": {},
    "database": {},
}


def main() -> int:
    row_count = int(os.environ.get("ROWS", "10000000"))
    with tempfile.TemporaryDirectory(prefix="pq-bench-") as directory:
        Path(directory).chmod(0o711)
        server = EmbeddedPostgres(Path(directory), settings=SETTINGS)
        server.start()
        try:
            os.environ["DATABASE_URL"] = server.url()
            make_rows(server.url(), row_count)
            figures = measure()
        finally:
            server.stop()
    return report(row_count, figures)


def measure() -> dict[str, list[float]]:
    """Milliseconds from the question to the JSON, without the first one, which fills caches."""
    from tasks.app import app
    from tasks.queue_page.arguments import Arguments
    from tasks.queue_page.views import VIEWS, look

    figures: dict[str, list[float]] = {}
    for name, question in QUESTIONS.items():
        view, arguments = VIEWS[name.split()[0].rstrip(",")], Arguments(question)
        figures[name] = []
        for _ in range(TIMES + 1):
            began = time.perf_counter()
            orjson.dumps(look(view, arguments, app), default=str, option=orjson.OPT_NON_STR_KEYS)
            figures[name].append(1000 * (time.perf_counter() - began))
        del figures[name][0]
    return figures


def report(row_count: int, figures: dict[str, list[float]]) -> int:
    print(f"\nViews of the Queue page with {row_count:,} finished rows, ms over {TIMES} looks")
    for name, times in figures.items():
        print(f"{name:<36} {min(times):8.1f} {statistics.median(times):8.1f} {max(times):8.1f}")
    slow = [name for name, times in figures.items() if statistics.median(times) > BOUND_MILLISECONDS]
    print(
        f"above {BOUND_MILLISECONDS:.0f} ms: {', '.join(slow)}"
        if slow
        else f"all below {BOUND_MILLISECONDS:.0f} ms"
    )
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
