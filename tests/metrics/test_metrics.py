"""Metrics: their values and their cost. Dashboards and alert rules use only names that exist."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.database_url import parse_database_url
from queue_store.readings.counters import CounterReader
from queue_store.settings import ProcessorSettings
from tasks.metrics import labels
from tasks.metrics.collector import QueueCollector
from tests.support.filling import add_failed, add_flow, add_outcomes, add_records, add_worker_process
from tests.support.servers import connect

COMPOSE = Path(__file__).parents[2] / "compose"
DASHBOARD = COMPOSE / "grafana/dashboards/processing_queue.json"
RULES = COMPOSE / "prometheus/alert_rules.yml"
NAME = re.compile(r"processing_queue_[a-z_]+")
SIGNS = ("processing_queue_beat_last_tick_age_seconds", "processing_queue_heartbeat_age_seconds")


@pytest.fixture
def collector(database: DatabaseManager) -> QueueCollector:
    return QueueCollector(database, ProcessorSettings())


def scrape(collector: QueueCollector) -> dict[str, list[Any]]:
    registry = CollectorRegistry()
    registry.register(collector)
    samples: dict[str, list[Any]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    return samples


def scrape_again(collector: QueueCollector) -> dict[str, list[Any]]:
    """Scrapes again, with a new reading even if the last one is still fresh."""
    collector.read_at = float("-inf")
    return scrape(collector)


def value(samples: dict[str, list[Any]], name: str, **labels: str) -> float:
    (found,) = [s.value for s in samples[name] if labels.items() <= s.labels.items()]
    return found


def test_depth_age_and_status_are_told(database: DatabaseManager, collector: QueueCollector) -> None:
    add_flow(database)
    add_records(database, 3, age_seconds=120)
    add_failed(database, 2)
    samples = scrape(collector)
    assert value(samples, "processing_queue_up") == 1
    assert value(samples, "processing_queue_records", flow="alpha", status="failed") == 2
    assert value(samples, "processing_queue_due_records", flow="alpha") == 3
    assert 120 <= value(samples, "processing_queue_oldest_due_age_seconds", flow="alpha") < 180


OPEN_ALERTS = """
INSERT INTO alerts (alert_key, code, level, raised_level, message, next_step, resolved_at)
SELECT format('%s of %s', n, level), 'flow_not_served', level, level, 'no worker', 'start one',
    CASE WHEN n > 600 THEN now() END
FROM generate_series(1, 601) AS n, unnest(ARRAY['critical', 'warning']) AS level
"""


def test_every_open_alert_is_counted(database: DatabaseManager, collector: QueueCollector) -> None:
    """A list of alerts holds at most 500 alerts. The metrics have no such limit."""
    with database.transaction() as cursor:
        cursor.execute(OPEN_ALERTS)
    samples = scrape(collector)
    assert value(samples, "processing_queue_alerts", level="critical") == 600
    assert value(samples, "processing_queue_alerts", level="warning") == 600
    assert value(samples, "processing_queue_alerts", level="emergency") == 0


def test_counters_only_grow_whatever_is_folded_and_purged(database: DatabaseManager) -> None:
    collector = QueueCollector(database, ProcessorSettings())
    name = "processing_queue_completed_records_total"
    add_flow(database)
    scrape(collector)
    add_outcomes(database, completed=5, minutes_ago=0)
    assert value(scrape_again(collector), name, flow="alpha") == 5
    rollups.fold(database)
    add_outcomes(database, completed=2, minutes_ago=0)
    samples = scrape_again(collector)
    assert value(samples, name, flow="alpha") == 7
    assert value(samples, "processing_queue_processing_duration_seconds_count", flow="alpha") == 7


def test_counters_begin_at_nothing_in_each_process(database: DatabaseManager) -> None:
    """If a counter began with earlier outcomes, Prometheus would count these outcomes again after each restart of the
    exporter."""
    name = "processing_queue_completed_records_total"
    add_flow(database)
    add_outcomes(database, completed=5, minutes_ago=0)
    collector = QueueCollector(database, ProcessorSettings())
    samples = scrape(collector)
    assert value(samples, name, flow="alpha") == 0
    assert value(samples, "processing_queue_processing_duration_seconds_count", flow="alpha") == 0
    assert value(samples, "processing_queue_processing_duration_seconds_sum", flow="alpha") == 0
    add_outcomes(database, completed=2, minutes_ago=0)
    assert value(scrape_again(collector), name, flow="alpha") == 2


def test_a_flow_in_which_nothing_happened_has_counters(
    database: DatabaseManager, collector: QueueCollector
) -> None:
    """Prometheus sees the increase at the first crash only if the counter existed before, with the value 0."""
    add_flow(database)
    assert value(scrape(collector), "processing_queue_crashed_records_total", flow="alpha") == 0


def test_hours_that_are_over_are_remembered_and_not_read_again(database: DatabaseManager) -> None:
    add_flow(database)
    reader = CounterReader()
    with database.transaction() as cursor:
        reader.read(cursor)
        cursor.execute("SELECT date_trunc('hour', now()) - interval '10 hours'")
        row = cursor.fetchone()
    assert row is not None
    reader.from_hour = row[0]
    for minutes_ago in (600, 300, 1):
        add_outcomes(database, completed=3, minutes_ago=minutes_ago)
    rollups.fold(database)
    for _ in range(2):
        with database.transaction() as cursor:
            assert reader.read(cursor)["alpha"].counts[2] == 9
            cursor.execute("DELETE FROM rollup_hours WHERE hour < now() - interval '5 hours'")


def test_a_reading_serves_the_scrapes_of_a_moment(
    database: DatabaseManager, collector: QueueCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.metrics.collector.FRESH_SECONDS", 600.0)
    add_flow(database)
    first = scrape(collector)
    add_records(database, 1)
    again = scrape(collector)
    name = "processing_queue_scrape_duration_seconds"
    assert value(first, name) == value(again, name)


def test_labels_stay_bounded(
    database: DatabaseManager, collector: QueueCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "FLOWS_AT_MOST", 2)
    for name in ("alpha", "beta", "gamma", "delta"):
        add_flow(database, name)
    scrape(collector)
    for name in ("alpha", "beta", "gamma", "delta"):
        add_outcomes(database, name, completed=1, minutes_ago=0)
    samples = scrape_again(collector)
    flows = {s.labels["flow"] for s in samples["processing_queue_completed_records_total"]}
    assert flows == {"alpha", "beta", labels.OTHERS}
    assert value(samples, "processing_queue_completed_records_total", flow=labels.OTHERS) == 2
    assert {s.labels["flow"] for s in samples["processing_queue_due_records"]} == flows


def test_the_last_signs_of_beats_and_workers_grow_older_for_as_long_as_all_are_silent(
    database: DatabaseManager, collector: QueueCollector
) -> None:
    samples = scrape(collector)
    assert samples.keys().isdisjoint(SIGNS)
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO beats (beat_id, hostname, pid, heartbeat_at)"
            " VALUES (gen_random_uuid(), 'box', 1, now() - interval '2 hours')"
        )
    long_ago = datetime.now(UTC) - timedelta(hours=3)
    add_worker_process(database, state="dead", heartbeat_at=long_ago, ended_at=long_ago)
    samples = scrape_again(collector)
    assert value(samples, "processing_queue_worker_processes") == 0
    beat, worker = (value(samples, name) for name in SIGNS)
    assert 7_200 <= beat < 7_300
    assert 10_700 <= worker < 10_900


@pytest.mark.parametrize("schema", ["", "CREATE TABLE flows (name text)"])
def test_a_database_without_our_schema_is_told_and_breaks_nobody_elses_metrics(
    empty_database_url: str, schema: str
) -> None:
    database = connect(empty_database_url)
    if schema:
        with database.transaction() as cursor:
            cursor.execute(schema.encode())
    samples = scrape(QueueCollector(database, ProcessorSettings()))
    assert value(samples, "processing_queue_up") == 0
    database.dispose()


@pytest.fixture
def every_name(clean_database_url: str, database: DatabaseManager) -> set[str]:
    add_flow(database)
    add_worker_process(database)
    with_replica = connect(clean_database_url, replica_url=parse_database_url(clean_database_url))
    collector = QueueCollector(with_replica, ProcessorSettings())
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO beats (beat_id, hostname, pid) VALUES (gen_random_uuid(), 'box', 1)")
    names = set(scrape(collector))
    with_replica.dispose()
    return names


def test_the_dashboard_asks_for_names_that_exist(every_name: set[str]) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(expressions) > 20
    for expression in expressions:
        assert set(NAME.findall(expression)) <= every_name, expression


def test_the_alert_rules_ask_for_names_that_exist_and_say_what_to_do(every_name: set[str]) -> None:
    rules = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        names = set(NAME.findall(rule["expr"]))
        assert names, rule["alert"]
        assert names <= every_name
        assert rule["annotations"]["next_step"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_metrics_server_serves_and_ends_when_told(settings_environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tasks.cli import main; main()", "metrics-server", "--port", "0"],
        env=settings_environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(url) as answer:  # noqa: S310
            assert b"processing_queue_up 1.0" in answer.read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
