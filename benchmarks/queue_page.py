"""Measures how long each view of the Queue page takes with millions of finished rows: `make bench-queue-page`
(ROWS=10000000).

Starts its own Postgres with default durability, and makes the same rows as the monitoring benchmark. Requests every
view, dry runs of actions, an export and the metrics several times. The benchmark calls the views in its own process,
without HTTP. It measures the time from the call to the JSON, and writes the times to `results/`. The first request
counts like the others. The exit code is 1 if a request exceeds its bound in more than one of twenty calls. The export
of up to 10,000 records into a file has no bound, because no page waits for this file. The dry run for 50,000 records
also has no bound, because it must count the records exactly.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import psycopg
from prometheus_client import CollectorRegistry, generate_latest

from benchmarks.finished_rows import FLOWS, FREE_IDS, SETTINGS, make_rows
from queue_store.database.manager import DatabaseManager
from queue_store.settings import load_processor_settings
from tasks.embedded.postgres import EmbeddedPostgres

BOUND_MILLISECONDS = 100.0
BOUNDS = {"metrics": 200.0}  # this endpoint is not a view, and may take longer
TIMES = 20
MANY = "dry run: reset, 50,000 of one error"
EXEMPT = ("export, half an hour", MANY)
RESULTS = Path(__file__).parent / "results"
RUN = "00000000-0000-4000-8000-000000000001"
QUESTIONS: dict[str, dict[str, Any]] = {
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
    "records, failed, all": {"status": "failed"},
    "records, pending": {"status": "pending"},
    "records, pending of a flow": {"status": "pending", "flow": "flow_1"},
    "records, pending behind all others": {"status": "pending", "flow": "flow_first"},
    "records, pending, nothing found": {"status": "pending", "error": "never seen"},
    "records, by dedup key": {"key": "order 17"},
    "records, by order key": {"key": "customer 7"},
    "records, by key, nothing found": {"key": "never seen"},
    "records, of a run": {"run": RUN},
    "records, of a run, completed": {"run": RUN, "status": "completed"},
    "records, of a host": {"worker": "host-1"},
    "records, of a kind of error": {"group": "not often"},
    "records, of a kind of many errors": {"group": "group 0"},
    "records, of a kind never seen": {"group": "never seen"},
    "records, by payload": {"payload_key": "n", "payload_value": "17"},
    "records, by date": {"from": "2026-01-01", "status": "completed"},
    "records, cancelled: none": {"status": "cancelled"},
    "record": {"id": str(FREE_IDS + 50)},
    "failures 1h": {"span": "1h"},
    "failures 7d": {"span": "7d"},
    "attempts": {"group": "group 0"},
    "attempts, nothing found": {"group": "never seen"},
    "runs": {},
    "run": {"run": RUN},
    "processes": {},
    "stops": {},
    "alerts": {},
    "schedule": {},
    "audit": {},
    "database": {},
}
CHOSEN = list(range(FREE_IDS + 50, FREE_IDS + 50_050, 50))
DRY_RUNS: dict[str, dict[str, Any]] = {
    "reset, 1,000 chosen": {"ids": CHOSEN},
    "reset, 1,000 of one error": {"error_group": "not often"},
    "reset, 50,000 of one error": {"error_group": "group 0"},
    "reset, of a search": {"status": "failed", "flow": "flow_first"},
    "cancel, 1,000 chosen": {"ids": CHOSEN},
    "cancel, of a search": {"status": "pending", "flow": "flow_first"},
    "reset, of a kind of error": {"status": "failed", "group": "not often"},
}
"""The dry runs that the page makes before an action."""
WITH_KEYS = """
WITH flow AS (
    INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
    VALUES ('flow_first', 'flows', 100, 3, 7200))
INSERT INTO processing_queue (id, flow_name, dedup_key, order_key)
SELECT n, 'flow_first', 'order ' || n, 'customer ' || n % 100 FROM generate_series(1, 2000) AS n
"""
"""Pending records that a search reads last, because their ids are the lowest."""
NOT_OFTEN = """
WITH failed AS (
    SELECT id FROM processing_queue WHERE status = 'failed' AND flow_name = 'flow_0' ORDER BY id LIMIT 1000)
UPDATE record_attempts a SET error_group = 'not often' FROM failed WHERE a.record_id = failed.id
"""
OF_A_RUN = """
WITH run AS (
    INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id, state, started_at, finished_at)
    SELECT %(run)s, 'flow_0', worker_process_id, 'ended', now() - interval '15 days', now() - interval '14 days'
    FROM worker_processes WHERE hostname = 'host-1' ORDER BY pid LIMIT 1)
UPDATE record_attempts SET flow_instance_id = %(run)s WHERE error_group = 'not often'
"""
"""An old run with a thousand failures."""


def main() -> int:
    row_count = int(os.environ.get("ROWS", "10000000"))
    with tempfile.TemporaryDirectory(prefix="pq-bench-") as directory:
        Path(directory).chmod(0o711)
        server = EmbeddedPostgres(Path(directory), settings=SETTINGS)
        server.start()
        try:
            os.environ["DATABASE_URL"] = server.url()
            make_rows(server.url(), row_count)
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute(WITH_KEYS)
                connection.execute(NOT_OFTEN)
                connection.execute(OF_A_RUN, {"run": RUN})
                connection.execute("VACUUM (ANALYZE) processing_queue")
            load = " ".join(f"{n:.1f}" for n in os.getloadavg())
            figures = {name: timed(name, call) for name, call in calls().items()}
        finally:
            server.stop()
    return report(row_count, load, figures)


def calls() -> dict[str, Callable[[], Any]]:
    from tasks.app import app
    from tasks.long_lived import keep_what_is_loaded
    from tasks.queue_page.actions import ACTIONS
    from tasks.queue_page.arguments import Arguments
    from tasks.queue_page.export import export
    from tasks.queue_page.views import VIEWS, read_view

    def view(name: str, question: dict[str, Any]) -> Callable[[], Any]:
        return lambda: read_view(VIEWS[first_word(name)], Arguments(question), app)

    def dry_run(name: str, question: dict[str, Any]) -> Callable[[], Any]:
        return lambda: ACTIONS[first_word(name)](Arguments({**question, "dry_run": True}), "benchmark")

    keep_what_is_loaded()
    hour = datetime.now(UTC) - timedelta(hours=2)
    some = {"from": (hour - timedelta(minutes=30)).isoformat(), "before": hour.isoformat()}
    return {
        **{name: view(name, question) for name, question in QUESTIONS.items()},
        **{f"dry run: {name}": dry_run(name, question) for name, question in DRY_RUNS.items()},
        "export, half an hour": lambda: export(Arguments(some), "csv"),
        "metrics": metrics_scrape(),
    }


def metrics_scrape() -> Callable[[], str]:
    """Each scrape reads the database, and does not use the answer that the collector caches for two seconds."""
    from tasks.metrics.collector import QueueCollector

    registry = CollectorRegistry()
    collector = QueueCollector(DatabaseManager(application_name="benchmark"), load_processor_settings())
    registry.register(collector)

    def scrape() -> str:
        collector.read_at = float("-inf")
        return generate_latest(registry).decode()

    return scrape


def first_word(name: str) -> str:
    return name.split(maxsplit=1)[0].rstrip(",")


def timed(name: str, call: Callable[[], Any]) -> list[float]:
    """The milliseconds that each call takes, including the encoding of its result as JSON."""
    times: list[float] = []
    for _ in range(TIMES):
        began = time.perf_counter()
        orjson.dumps(call(), default=str, option=orjson.OPT_NON_STR_KEYS)
        times.append(1000 * (time.perf_counter() - began))
    print(f"{name:<36} first {times[0]:8.1f}   median {statistics.median(times):8.1f}", flush=True)
    return times


def nearly_all(times: list[float]) -> float:
    """The time that nineteen of twenty requests do not exceed."""
    return sorted(times)[-1 - len(times) // 20]


def report(row_count: int, load: str, figures: dict[str, list[float]]) -> int:
    slow = [
        name
        for name, times in figures.items()
        if nearly_all(times) > BOUNDS.get(name, BOUND_MILLISECONDS) and name not in EXEMPT
    ]
    bound = f"{BOUND_MILLISECONDS:.0f} ms (/metrics: {BOUNDS['metrics']:.0f} ms)"
    verdict = (
        f"Above {bound}: {', '.join(slow)}."
        if slow
        else f"All are within {bound} but the two that are exempt: {'; '.join(EXEMPT)}."
    )
    name = "ten-million" if row_count == 10_000_000 else str(row_count)
    if FLOWS >= 1000:
        name += "-thousand-flows"
    path = RESULTS / f"queue-page-{name}.md"
    path.write_text(
        f"# The Queue page with {row_count:,} finished rows\n\n"
        f"Made by `make bench-queue-page` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores; load of "
        f"the machine before the first look: {load}. 502,000 records of {FLOWS:,} flows are pending; "
        f"{os.environ.get('FAILED') or row_count // 50} of the finished failed.\n"
        f"Milliseconds at the server, from the question to the JSON, over {TIMES} looks; the first look is one of them."
        f"\nWanted: 19 of 20 within {bound}. {verdict}\n\n"
        "| what | first | median | 19 of 20 | worst |\n| --- | ---: | ---: | ---: | ---: |\n"
        + "".join(f"| {name} | {row(times)} |\n" for name, times in figures.items()),
        "utf-8",
    )
    print(f"{verdict} {path}")
    return 1 if slow else 0


def row(times: list[float]) -> str:
    shown = (times[0], statistics.median(times), nearly_all(times), max(times))
    return " | ".join(f"{figure:.1f}" for figure in shown)


if __name__ == "__main__":
    sys.exit(main())
