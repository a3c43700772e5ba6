"""The database refuses wrong records, even if a client in another language sends plain SQL."""

import psycopg
import pytest

from queue_store import DatabaseManager
from tests.support.flow_rows import register_flow

RUN = "'00000000-0000-0000-0000-000000000001'"
COLUMNS = {
    "unknown status": "status = 'done'",
    "empty status": "status = ''",
    "status in capitals": "status = 'PENDING'",
    "no status": "status = NULL",
    "priority below": "priority = -1",
    "priority above": "priority = 10",
    "priority beyond its type": "priority = 70000",
    "negative claims": "claim_number = -1",
    "negative attempts": "retry_count = -1",
    "negative strikes": "crash_strikes = -1",
    "batch limit zero": "batch_limit = 0",
    "batch limit negative": "batch_limit = -5",
    "due at infinity": "scheduled_at = 'infinity'",
    "due at minus infinity": "scheduled_at = '-infinity'",
    "due in the year 10000": "scheduled_at = '10000-01-01'",
    "due before the flood": "scheduled_at = '4000-01-01 BC'",
    "created at infinity": "created_at = 'infinity'",
    "updated before 2000": "updated_at = '1999-12-31'",
    "not due": "scheduled_at = NULL",
    "empty dedup_key": "dedup_key = ''",
    "long dedup_key": "dedup_key = repeat('x', 256)",
    "long order_key": "order_key = repeat('x', 3000)",
    "empty correlation": "correlation_id = ''",
    "long trace": "trace_context = repeat('x', 1025)",
    "long error": "error_message = repeat('x', 4001)",
    "no payload": "payload = NULL",
    "oversize payload": "payload = (SELECT jsonb_agg(md5(n::text)) FROM generate_series(1, 40000) n)",
    "oversize result": "result = (SELECT jsonb_agg(md5(n::text)) FROM generate_series(1, 40000) n)",
    "not JSON": "payload = '{'",
    "NUL in JSON": 'payload = \'{"a": "\\u0000"}\'',
    "lone surrogate in JSON": "payload = '\"\\ud800\"'",
    "NaN in JSON": "payload = 'NaN'",
    "processing by nobody": "status = 'processing'",
    "processing by a run without a claim": f"status = 'processing', flow_instance_id = {RUN}, claimed_at = now()",
    "completed without a claim": "status = 'completed', completed_at = now()",
    "failed without a reason": "status = 'failed'",
    "pending and owned": f"flow_instance_id = {RUN}",
    "pending and claimed": "claimed_at = now()",
    "pending and completed": "completed_at = now()",
    "a flow without a name": "flow_name = ''",
    "a flow with a space": "flow_name = 'send invoice'",
    "a flow that begins with a digit": "flow_name = '2letters'",
    "a flow with homoglyphs": "flow_name = 'l\u0435tters'",
    "a flow that is an attack": "flow_name = '''; DROP TABLE flows; --'",
    "an owner that is no UUID": "flow_instance_id = 'worker-1'",
}


@pytest.mark.parametrize("case", COLUMNS)
def test_an_impossible_record_is_refused(database: DatabaseManager, case: str) -> None:
    register_flow(database, "letters")
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('letters')")
    with (
        pytest.raises((psycopg.IntegrityError, psycopg.DataError, psycopg.errors.RaiseException)),
        database.transaction() as cursor,
    ):
        cursor.execute(f"UPDATE processing_queue SET {COLUMNS[case]}".encode())  # noqa: S608
    with database.transaction() as cursor:
        cursor.execute("SELECT status, priority, retry_count FROM processing_queue")
        assert cursor.fetchall() == [("pending", 5, 0)]
