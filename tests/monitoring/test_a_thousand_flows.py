"""Monitoring sends no more statements for a thousand flows with waiting records than for one flow."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.readings.counters import CounterReader
from queue_store.readings.windows import RecentOutcomes, read_recent_outcomes
from queue_store.settings import load_processor_settings
from tasks.app import app
from tasks.metrics.reading import read_all
from tasks.monitoring import distributed_queue_monitoring, processing_performance_monitoring
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS, read_view

FLOWS = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, declared)
SELECT 'flow_' || n, 'flows', 100, 3, 7200, '{}' FROM generate_series(%(from)s::integer, %(to)s::integer) n
ON CONFLICT DO NOTHING
"""
WAITING = """
INSERT INTO processing_queue (flow_name, scheduled_at)
SELECT flow_name, now() - interval '40 minutes' FROM flows WHERE flow_name LIKE 'flow%%'
"""
MINUTES = """
INSERT INTO rollup_minutes (minute, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released,
    rescued, crashed, cancelled, reset, refused, purged, processing_seconds, processing_histogram, wait_seconds,
    wait_histogram)
SELECT date_trunc('minute', now()) - m * interval '1 minute', flow_name, 0, 0, 2, 1, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, '{}', 0,
    '{}'
FROM unnest(%(flow_names)s::text[]) flow_name, generate_series(1, 90) m
"""


def wait(database: DatabaseManager, first: int, last: int) -> None:
    with database.transaction() as cursor:
        cursor.execute(FLOWS, {"from": first, "to": last})
        cursor.execute(WAITING)


def view(name: str, question: dict[str, Any] | None = None) -> Callable[[DatabaseManager], Any]:
    return lambda _: read_view(VIEWS[name], Arguments(question or {}), app)


CALLS: dict[str, Callable[[DatabaseManager], Any]] = {
    "distributed_queue_monitoring": lambda _: distributed_queue_monitoring(include_detailed_metrics=True),
    "processing_performance_monitoring": lambda _: processing_performance_monitoring(),
    "metrics": lambda database: read_all(database, load_processor_settings(), CounterReader()),
    "overview": view("overview"),
    "flow": view("flow", {"flow": "flow_1"}),
    "charts": view("charts"),
}


@pytest.mark.parametrize("name", CALLS)
def test_statements_do_not_grow_with_flows(
    name: str, database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    sent: list[object] = []
    execute = psycopg.Cursor.execute

    def counting(cursor: psycopg.Cursor[Any], query: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(query)
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Cursor, "execute", counting)
    wait(database, 1, 1)
    CALLS[name](database)  # opens the connection
    sent.clear()
    CALLS[name](database)
    for_one = len(sent)
    wait(database, 2, 1000)
    sent.clear()
    CALLS[name](database)
    assert 0 < len(sent) <= for_one


def test_each_flow_is_looked_at_over_its_own_time(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(MINUTES, {"flow_names": ["alpha", "beta", "gamma"]})
        recent = read_recent_outcomes(cursor, {"alpha": 600.0, "beta": 3600.0, "delta": 1200.0})
        assert read_recent_outcomes(cursor, {}) == {}
    assert recent == {
        "alpha": RecentOutcomes("alpha", 600.0, 30),
        "beta": RecentOutcomes("beta", 3600.0, 180),
        "delta": RecentOutcomes("delta", 1200.0, 0),
    }
    assert recent["beta"].outcomes_per_hour == 180


HISTORY = """
INSERT INTO rollup_minutes (minute, flow_name, enqueued, claimed, completed, failed, retried, snoozed, released,
    rescued, crashed, cancelled, reset, refused, purged, processing_seconds, processing_histogram, wait_seconds,
    wait_histogram)
SELECT date_trunc('minute', now()) - m * interval '10 minutes', 'flow_' || n, 0, 0, 2, 1, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, '{}', 0, '{}'
FROM generate_series(1, 20) n, generate_series(1, 4000) m
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def test_a_window_reads_only_its_own_minutes(database: DatabaseManager) -> None:
    """The table has rows for every tenth minute of four weeks. If the bounds of the window came from a CTE, the
    planner would expect to read a ninth of all rows. In a larger table, this estimate would make the planner read the
    whole table."""
    with database.transaction() as cursor:
        cursor.execute(HISTORY)
        cursor.execute("ANALYZE rollup_minutes")
        parameters = {"seconds": 3600.0, "flow_names": None, "with_histograms": True}
        row = cursor.execute(b"EXPLAIN (FORMAT JSON) " + sql("readings/window"), parameters).fetchone()
    assert row is not None
    (minutes,) = [n for n in nodes(row[0][0]["Plan"]) if n.get("Relation Name") == "rollup_minutes"]
    assert minutes["Plan Rows"] < 1_000
