"""The statements that operators, the retention and `wait_for` send for chosen records look up these records by their
ids, and read no other records, even if the statistics are outdated."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from queue_store.database.index_plans import index_plans
from queue_store.database.statements import sql
from tests.support.plans import reading_of_records
from tests.support.restoring import restore_rows
from tests.support.servers import PostgresServer, connect
from tests.support.store import Store, store_on

EACH = 10_000
CHOSEN = 100
STATUSES = ("failed", "pending", "cancelled")
FIRST_ID = {status: 1 + place * EACH for place, status in enumerate(STATUSES)}
FILL = """
INSERT INTO processing_queue (id, flow_name, status, retry_count, error_message, dedup_key, updated_at)
SELECT n, 'sample', status, CASE status WHEN 'failed' THEN 4 ELSE 0 END,
    CASE status WHEN 'failed' THEN 'ValueError: no' END, 'key ' || n, now() - interval '1 hour'
FROM (SELECT n, (%(statuses)s::text[])[1 + (n - 1) / %(each)s] AS status
    FROM generate_series(1, 3 * %(each)s) AS n) made
"""
TEN = "INSERT INTO processing_queue (id, flow_name) SELECT 1000000 + n, 'sample' FROM generate_series(1, %s) AS n"
LOOK_UPS = {"processing_queue_pkey", "processing_queue_dedup"}
OPERATORS = {"actor": "me", "reason": None, "pending_only": False, "priority": 1}
ONCE = {"older_than": timedelta(0), "retry_count_at_least": 0, "flow_name": None}
RETAIN = {
    "completed_seconds": 60,
    "cancelled_seconds": 60,
    "failed_seconds": 60,
    "failed_minimum_retries": 1,
    "any_failed_seconds": 0,
    "spared_ids": [],
    "dry_run": False,
}
STATEMENTS = {
    "enqueueing/awaited_records": "failed",
    "arrows/reset": "failed",
    "arrows/cancel": "pending",
    "arrows/purge": "cancelled",
    "arrows/purge_ids": "failed",
    "arrows/purge_expired": "cancelled",
    "operators/change_priority": "pending",
    "operators/count_to_cancel": "pending",
    "operators/count_to_reset": "failed",
    "operators/older_twins": "failed",
}
"""The status of the records that each test chooses for the statement."""
PURGES = {"arrows/purge", "arrows/purge_expired"}
"""The program steers the plans of these statements by settings, too."""


@pytest.fixture(
    scope="module", params=[0, 10, None], ids=["of no records", "of ten records", "of all records"]
)
def filled(
    postgres_server: PostgresServer, template_database: str, request: pytest.FixtureRequest
) -> Iterator[Store]:
    """`request.param`: how many records the table had when the statistics were made; None for all records."""
    name = postgres_server.create_database(template=template_database)
    manager, url = connect(postgres_server.database_url(name)), postgres_server.direct_url(name)
    with store_on(manager) as store:
        store.add_flow()
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        store.execute(TEN, (request.param or 0,))
        with psycopg.connect(url) as producer, producer.cursor() as cursor:
            restore_rows(cursor)
            cursor.execute(FILL.encode(), {"statuses": list(STATUSES), "each": EACH})
            if request.param is not None:
                store.execute("ANALYZE processing_queue")
        if request.param is None:
            store.execute("ANALYZE processing_queue")
        yield store
    manager.dispose()
    postgres_server.drop_database(name)


def parameters_for(status: str, count: int) -> dict[str, Any]:
    first = FIRST_ID[status] + EACH // 2
    chosen = {
        "ids": list(range(first, first + count)),
        "after_id": first - 1,
        "limit": count,
        "status": status,
    }
    return OPERATORS | ONCE | RETAIN | chosen


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("count", [1, CHOSEN])
@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
def test_chosen_records_are_looked_up_by_id(
    filled: Store, statement: str, count: int, plan_cache_mode: str
) -> None:
    parameters = parameters_for(STATEMENTS[statement], count)
    with filled.database.hold() as held, held.driver.cursor() as cursor:
        with index_plans(cursor) if statement in PURGES else nullcontext():
            reading = reading_of_records(cursor, sql(statement), parameters, plan_cache_mode)
        held.driver.rollback()
    assert reading.indexes
    assert reading.indexes <= LOOK_UPS
    assert reading.most_records <= count
