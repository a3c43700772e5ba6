"""The number of labels stays bounded and totals stay right, however many flow names occur, including mistyped ones."""

from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.metrics import labels
from tasks.metrics.collector import QueueCollector
from tests.metrics.test_metrics import scrape, scrape_again, value
from tests.support.filling import add_flow, add_outcomes, add_records

COMPLETED = "processing_queue_completed_records_total"
MANY = """
INSERT INTO processing_queue (flow_name, scheduled_at)
SELECT 'mistyped_' || n, now() - interval '1 minute' FROM generate_series(1, 10000) n
"""


@pytest.fixture
def collector(database: DatabaseManager) -> QueueCollector:
    return QueueCollector(database, ProcessorSettings())


def total(samples: dict[str, list[Any]], name: str, **wanted: str) -> float:
    return sum(s.value for s in samples[name] if wanted.items() <= s.labels.items())


def names(samples: dict[str, list[Any]], name: str) -> set[str]:
    return {s.labels["flow"] for s in samples[name]}


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def test_totals_are_right_with_ten_thousand_names(
    database: DatabaseManager, collector: QueueCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.metrics.reading.TIMEOUT_SECONDS", 60.0)
    add_flow(database, "zebra")
    add_records(database, 50, "zebra", age_seconds=300)
    execute(database, MANY)
    rollups.fold(database)
    samples = scrape(collector)
    assert total(samples, "processing_queue_due_records") == 10_050
    assert total(samples, "processing_queue_records", status="pending") == 10_050
    assert value(samples, "processing_queue_due_records", flow="zebra") == 50
    assert len(names(samples, "processing_queue_due_records")) == labels.FLOWS_AT_MOST + 1
    assert value(samples, "processing_queue_up") == 1


def test_names_without_flow_and_records_leave(database: DatabaseManager, collector: QueueCollector) -> None:
    add_flow(database, "alpha")
    execute(database, "INSERT INTO processing_queue (flow_name) VALUES ('alhpa')")
    assert names(scrape(collector), "processing_queue_due_records") == {"alpha", "alhpa"}
    execute(database, "DELETE FROM processing_queue")
    rollups.fold(database)
    samples = scrape_again(collector)
    assert names(samples, "processing_queue_due_records") == {"alpha"}
    assert "alhpa" not in names(samples, COMPLETED)


def test_a_busier_flow_gets_the_label_and_no_counter_shrinks(
    database: DatabaseManager, collector: QueueCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "FLOWS_AT_MOST", 1)
    for name in ("alpha", "beta"):
        add_flow(database, name)
    scrape(collector)
    add_outcomes(database, "alpha", completed=5, minutes_ago=0)
    add_outcomes(database, "beta", completed=6, minutes_ago=0)
    samples = scrape_again(collector)
    assert value(samples, COMPLETED, flow="alpha") == 5  # beta is not twice as busy, so alpha keeps the label
    assert value(samples, COMPLETED, flow=labels.OTHERS) == 6
    add_outcomes(database, "beta", completed=20, minutes_ago=0)
    samples = scrape_again(collector)
    assert names(samples, COMPLETED) == {"beta", labels.OTHERS}
    assert value(samples, COMPLETED, flow="beta") == 20
    assert value(samples, COMPLETED, flow=labels.OTHERS) == 6
    add_outcomes(database, "alpha", completed=1, minutes_ago=0)
    samples = scrape_again(collector)
    assert value(samples, COMPLETED, flow=labels.OTHERS) == 7


def test_the_others_tell_their_oldest_and_their_sum(
    database: DatabaseManager, collector: QueueCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labels, "FLOWS_AT_MOST", 1)
    for name, count, age in (("alpha", 9, 10), ("beta", 2, 600), ("gamma", 3, 60)):
        add_flow(database, name)
        add_records(database, count, name, age_seconds=age)
    samples = scrape(collector)
    assert names(samples, "processing_queue_due_records") == {"alpha", labels.OTHERS}
    assert value(samples, "processing_queue_due_records", flow=labels.OTHERS) == 5
    assert value(samples, "processing_queue_oldest_due_age_seconds", flow=labels.OTHERS) >= 600
