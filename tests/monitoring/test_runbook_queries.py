"""This system grew from an operations runbook. The SQL of that runbook runs unmodified, and gives the right answers."""

from decimal import Decimal
from typing import Any

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tests.support import filling
from tests.support.recounting import recount

PURGE_COMPLETED = """
DELETE FROM processing_queue
WHERE status = 'completed'
AND completed_at < NOW() - INTERVAL '30 days';
"""
PURGE_FAILED = """
DELETE FROM processing_queue
WHERE status = 'failed'
AND updated_at < NOW() - INTERVAL '7 days'
AND retry_count >= 5;
"""
RATE_BY_HOUR = """
SELECT
    DATE_TRUNC('hour', claimed_at) as hour,
    COUNT(*) as records_processed,
    COUNT(CASE WHEN status = 'completed' THEN 1 END) as completed,
    ROUND(AVG(EXTRACT(EPOCH FROM (completed_at - claimed_at))/60), 2) as avg_minutes
FROM processing_queue
WHERE claimed_at >= NOW() - INTERVAL '24 hours'
GROUP BY DATE_TRUNC('hour', claimed_at)
ORDER BY hour DESC;
"""
TOP_ERRORS = """
SELECT
    error_message,
    COUNT(*) as error_count,
    COUNT(DISTINCT flow_name) as affected_flows
FROM processing_queue
WHERE status = 'failed'
AND updated_at >= NOW() - INTERVAL '7 days'
AND error_message IS NOT NULL
GROUP BY error_message
ORDER BY error_count DESC
LIMIT 10;
"""
FLOWS_COMPARED = """
SELECT
    flow_name,
    COUNT(*) as total_processed,
    COUNT(CASE WHEN status = 'completed' THEN 1 END) as completed,
    ROUND((COUNT(CASE WHEN status = 'completed' THEN 1 END) * 100.0 / COUNT(*)), 2) as success_rate,
    ROUND(AVG(EXTRACT(EPOCH FROM (completed_at - claimed_at))/60), 2) as avg_processing_minutes
FROM processing_queue
WHERE claimed_at >= NOW() - INTERVAL '24 hours'
GROUP BY flow_name
ORDER BY total_processed DESC;
"""
BY_STATUS = """
SELECT
    status,
    COUNT(*) as count,
    MIN(created_at) as oldest,
    MAX(updated_at) as newest
FROM processing_queue
GROUP BY status;
"""
BY_INSTANCE = """
SELECT
    flow_instance_id,
    COUNT(*) as records_claimed,
    MIN(claimed_at) as first_claim,
    MAX(claimed_at) as last_claim
FROM processing_queue
WHERE status = 'processing'
GROUP BY flow_instance_id
ORDER BY records_claimed DESC;
"""
COMPLETED = """
INSERT INTO processing_queue (flow_name, status, claim_number, flow_instance_id, claimed_at, completed_at, updated_at)
SELECT %(flow)s, 'completed', 1, gen_random_uuid(), at, at + interval '90 seconds', at
FROM (SELECT now() - make_interval(hours => %(hours)s)) AS claimed(at), generate_series(1, %(count)s)
"""


@pytest.fixture
def queue(database: DatabaseManager) -> DatabaseManager:
    for flow, hours, count in (("alpha", 1, 6), ("beta", 1, 2), ("alpha", 31 * 24, 4)):
        execute(database, COMPLETED, flow=flow, hours=hours, count=count)
    for retry_count, message in ((5, "gone"), (5, "gone"), (2, "late")):
        filling.add_failed(database, 1, "beta", retry_count=retry_count, error_message=message)
    execute(
        database,
        "UPDATE processing_queue SET updated_at = now() - interval '8 days' WHERE error_message = 'late'",
    )
    filling.add_failed(database, 3, retry_count=5, error_message="gone")
    execute(
        database,
        "UPDATE processing_queue SET updated_at = now() - interval '8 days'"
        " WHERE id = (SELECT max(id) FROM processing_queue)",
    )
    filling.add_processing(database, 2, filling.add_run(database))
    filling.add_processing(database, 5, filling.add_run(database))
    return database


def execute(database: DatabaseManager, statement: str, **parameters: Any) -> int:
    with database.transaction() as cursor:
        return cursor.execute(statement.encode(), parameters or None).rowcount


def query(database: DatabaseManager, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(statement.encode()).fetchall()


def test_purging_by_hand_is_counted(queue: DatabaseManager) -> None:
    rollups.fold(queue)
    assert execute(queue, PURGE_COMPLETED) == 4
    assert execute(queue, PURGE_FAILED) == 1
    rollups.fold(queue)
    assert recount(queue) == []


def test_the_rate_by_hour(queue: DatabaseManager) -> None:
    rows = query(queue, RATE_BY_HOUR)
    assert [row[1:] for row in rows] == [(7, 0, None), (8, 8, Decimal("1.50"))]


def test_the_top_errors(queue: DatabaseManager) -> None:
    assert query(queue, TOP_ERRORS) == [("gone", 4, 2)]


def test_flows_compared(queue: DatabaseManager) -> None:
    assert query(queue, FLOWS_COMPARED) == [
        ("alpha", 13, 6, Decimal("46.15"), Decimal("1.50")),
        ("beta", 2, 2, Decimal("100.00"), Decimal("1.50")),
    ]


def test_the_statuses(queue: DatabaseManager) -> None:
    assert {row[0]: row[1] for row in query(queue, BY_STATUS)} == {
        "completed": 12,
        "failed": 6,
        "processing": 7,
    }


def test_claims_by_instance(queue: DatabaseManager) -> None:
    assert [row[1] for row in query(queue, BY_INSTANCE)] == [5, 2]
