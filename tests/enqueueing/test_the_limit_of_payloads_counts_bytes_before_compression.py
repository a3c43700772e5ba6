"""A payload has at most 1 MB before Postgres compresses it, by every way into the queue. So a backup of every new
record can be restored. Records from before this rule stay claimable."""

from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_store import DatabaseManager, NewRecord, PayloadRejectedError, enqueue_many
from queue_store.enqueueing import OnDuplicate, bulk, payload_encoders
from queue_store.operators.backup import restore_backup, write_backup
from tests.support.flow_rows import register_flow
from tests.support.store import Store, completed

LIMIT = 1_048_576
OVERHEAD = "pg_column_size(jsonb_build_object('text', ''))"
# The method of the server that compresses best: the last one that it names.
COMPRESS_BEST = """
SELECT set_config(name, enumvals[cardinality(enumvals)], true) FROM pg_settings WHERE name = 'default_toast_compression'
"""
OWN_TABLE = "CREATE TEMPORARY TABLE own_rows (payload jsonb) ON COMMIT DROP"
STORAGES = {
    "compressed": "ALTER TABLE own_rows ALTER payload SET STORAGE EXTENDED",
    "outside of the row": "ALTER TABLE own_rows ALTER payload SET STORAGE EXTERNAL",
}
FILL = f"INSERT INTO own_rows SELECT jsonb_build_object('text', repeat('x', %s - {OVERHEAD}))"
INSERT = "INSERT INTO processing_queue (flow_name, payload) SELECT 'letters', payload FROM own_rows"
WAYS = {
    "INSERT": INSERT,
    "UPDATE": "UPDATE processing_queue q SET payload = o.payload FROM own_rows o",
    "enqueue_record": "SELECT enqueue_record('letters', payload) FROM own_rows",
    "enqueue_record that replaces": "SELECT enqueue_record('letters', payload, dedup_key => 'taken',"
    " on_duplicate => 'replace') FROM own_rows",
    "enqueue_or_explain": "SELECT enqueue_or_explain('letters', payload, NULL, NULL, NULL, NULL, 'skip',"
    " NULL, NULL, NULL, false) FROM own_rows",
    "enqueue_with_task_id": "SELECT enqueue_with_task_id('letters', payload, NULL, NULL, NULL, NULL, NULL,"
    " 'task') FROM own_rows",
}
FINISHED = (
    "INSERT INTO processing_queue (flow_name, status, claimed_at, completed_at, flow_instance_id, claim_number,"
    " result) SELECT 'letters', 'completed', now(), now(), gen_random_uuid(), 1, payload FROM own_rows"
)


@pytest.fixture
def queue(database: DatabaseManager) -> DatabaseManager:
    register_flow(database, "letters")
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('letters', 'taken')")
    return database


def fill(cursor: psycopg.Cursor[Any], size: int, storage: str = "compressed") -> None:
    """Makes a table of the producer with one payload of `size` bytes. With the plans that Postgres keeps, the functions
    pass on the payload as it is stored in this table."""
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    cursor.execute(COMPRESS_BEST.encode())
    cursor.execute(OWN_TABLE)
    cursor.execute(STORAGES[storage].encode())
    cursor.execute(FILL.encode(), (size,))


def refusal(
    database: DatabaseManager, size: int, statement: str, storage: str = "compressed"
) -> tuple[Any, ...]:
    with database.transaction() as cursor:
        fill(cursor, size, storage)
        with pytest.raises(psycopg.errors.CheckViolation) as caught, cursor.connection.transaction():
            cursor.execute(statement.encode())
    said = caught.value.diag
    return said.sqlstate, said.message_primary, said.constraint_name, said.table_name, said.schema_name


def refusal_before_compression(database: DatabaseManager, statement: str = INSERT) -> tuple[Any, ...]:
    return refusal(database, 3 * LIMIT, statement.replace("payload FROM", "payload || '{}' FROM"))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_a_payload_from_a_column_is_refused_with_the_error_of_any_large_payload(
    queue: DatabaseManager, way: str, storage: str
) -> None:
    expected = refusal_before_compression(queue)
    assert expected[:1] + expected[2:4] == ("23514", "processing_queue_payload_check", "processing_queue")
    for size in (LIMIT + 1, 3 * LIMIT):
        assert refusal(queue, size, WAYS[way], storage) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("storage", STORAGES)
def test_a_payload_at_the_limit_survives_a_restore(
    queue: DatabaseManager, tmp_path: Path, way: str, storage: str
) -> None:
    with queue.transaction() as cursor:
        fill(cursor, LIMIT, storage)
        cursor.execute(WAYS[way].encode())
    write_backup(queue, tmp_path / "queue.zip")
    restore_backup(queue, tmp_path / "queue.zip", replace=True)
    with queue.transaction() as cursor:
        cursor.execute("SELECT max(pg_column_size(payload #> '{}')) FROM processing_queue")
        assert cursor.fetchone() == (LIMIT,)


def test_the_result_of_a_finished_record_is_refused_too(queue: DatabaseManager) -> None:
    expected = refusal_before_compression(queue, FINISHED)
    assert expected[2] == "processing_queue_result_check"
    assert refusal(queue, LIMIT + 1, FINISHED) == expected


@pytest.mark.parametrize(("on_duplicate", "key"), [("skip", "new"), ("replace", "new"), ("replace", "taken")])
def test_a_bulk_with_duplicates_refuses_it(
    queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch, on_duplicate: OnDuplicate, key: str
) -> None:
    """As jsonb, a list of small numbers has six times as many bytes as its text. With `replace`, the payloads after the
    first duplicate wait in a temporary table, which compresses them."""
    monkeypatch.setattr(payload_encoders, "payload_limit_bytes", lambda: LIMIT)
    monkeypatch.setattr(bulk, "CHUNK_RECORDS", 1)
    rows = [NewRecord({}, dedup_key="taken"), NewRecord([1] * 300_000, dedup_key=key)]
    with (
        pytest.raises(PayloadRejectedError, match="processing_queue_payload_check"),
        queue.transaction() as cursor,
    ):
        enqueue_many(cursor, "letters", rows, on_duplicate=on_duplicate)


def test_a_larger_record_from_before_is_claimed_and_completed(store: Store) -> None:
    with store.database.transaction() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger fires
        fill(cursor, 3 * LIMIT)
        cursor.execute(INSERT.replace("letters", "sample").encode())
    run = store.run()
    assert run.write(completed(run.begin())).refused_ids == []
    assert store.statuses() == {"completed": 1}
