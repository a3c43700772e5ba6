"""The SQL contract holds for a foreign client: psql, which knows nothing of this project."""

import os
import subprocess
from collections.abc import Iterator

import pytest

from queue_store import DatabaseManager
from tasks.embedded.programs import postgres_programs
from tests.support.documents import code_blocks
from tests.support.flow_rows import register_flow, start_processing

PAGE = "docs/sql-contract.md"


@pytest.fixture
def shop(database: DatabaseManager) -> Iterator[DatabaseManager]:
    register_flow(database, "send_invoice")
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE orders (id bigint, customer text)")
    yield database
    with database.transaction() as cursor:
        cursor.execute("DROP TABLE orders")
        if cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'shop'").fetchone():
            cursor.execute("DROP OWNED BY shop")
            cursor.execute("DROP ROLE shop")


def psql(database: DatabaseManager, script: str) -> subprocess.CompletedProcess[str]:
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [
        str(postgres_programs(None) / "psql"),
        "--no-psqlrc",
        "-qAt",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
        url,
    ]
    return subprocess.run(
        command,
        input=script,
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PGCLIENTENCODING": "UTF8"},
    )


def test_the_page_works_from_top_to_bottom(shop: DatabaseManager) -> None:
    done = psql(shop, "\n".join(block.code for block in code_blocks(PAGE, "sql")))
    assert done.returncode == 0, done.stderr
    with shop.transaction() as cursor:
        rows = cursor.execute(
            "SELECT payload->>'order_id', priority, dedup_key, order_key, correlation_id, scheduled_at > now()"
            " FROM processing_queue ORDER BY id"
        ).fetchall()
    assert rows == [
        ("4711", 5, None, None, None, False),
        ("4712", 2, None, None, None, True),
        ("4713", 5, None, None, None, False),
        ("4714", 5, None, None, None, False),
        ("4715", 5, None, None, None, False),
        ("4715", 1, "invoice 4715", "customer 17", "request 99", True),
        ("4716", 5, "invoice 4716", None, None, False),
    ]
    assert "|pending|0|" in done.stdout.splitlines()[-1]


INSERTS: dict[str, tuple[str, str]] = {
    "no flow": ("(payload) VALUES ('{}')", "23502"),
    "flow with a space": ("(flow_name) VALUES ('send invoice')", "23514"),
    "no JSON": ("(flow_name, payload) VALUES ('a', '{')", "22P02"),
    "NUL": (r"""(flow_name, payload) VALUES ('a', '"\u0000"')""", "22P05"),
    "NaN": ("(flow_name, payload) VALUES ('a', 'NaN')", "22P02"),
    "no payload": ("(flow_name, payload) VALUES ('a', NULL)", "23502"),
    "oversize": ("(flow_name, payload) SELECT 'a', jsonb_agg(md5(g::text)) FROM generate_series(1, 40000) g", "23514"),
    "priority": ("(flow_name, priority) VALUES ('a', 10)", "23514"),
    "infinite date": ("(flow_name, scheduled_at) VALUES ('a', 'infinity')", "23514"),
    "date long ago": ("(flow_name, scheduled_at) VALUES ('a', '0044-03-15 BC')", "23514"),
    "no date": ("(flow_name, scheduled_at) VALUES ('a', 'soon')", "22007"),
    "day 32": ("(flow_name, scheduled_at) VALUES ('a', '2040-01-32')", "22008"),
    "large offset": ("(flow_name, scheduled_at) VALUES ('a', '2040-01-31 12:00+20')", "22009"),
    "status": ("(flow_name, status) VALUES ('a', 'processing')", "23514"),
    "unknown status": ("(flow_name, status) VALUES ('a', 'done')", "23514"),
    "failed without a reason": ("(flow_name, status) VALUES ('a', 'failed')", "23514"),
    "owner": ("(flow_name, flow_instance_id) VALUES ('a', gen_random_uuid())", "23514"),
    "negative attempts": ("(flow_name, retry_count) VALUES ('a', -1)", "23514"),
    "empty key": ("(flow_name, dedup_key) VALUES ('a', '')", "23514"),
    "long key": ("(flow_name, dedup_key) VALUES ('a', repeat('k', 256))", "23514"),
    "duplicate": ("(flow_name, dedup_key) VALUES ('a', 'k'), ('a', 'k')", "23505"),
}  # fmt: skip
CALLS: dict[str, tuple[str, str]] = {
    "unknown flow": ("'send_invioce'", "PQ002"),
    "no flow": ("NULL", "PQ002"),
    "no payload": ("'send_invoice', NULL", "23502"),
    "priority": ("'send_invoice', priority => 70000", "23514"),
    "choice": ("'send_invoice', on_duplicate => 'ignore'", "22023"),
    "no choice": ("'send_invoice', on_duplicate => NULL", "22023"),
    "duplicate": ("'send_invoice', dedup_key => 'taken'", "23505"),
    "running": ("'send_invoice', dedup_key => 'running', on_duplicate => 'replace'", "23505"),
}


@pytest.mark.parametrize("case", INSERTS.values(), ids=list(INSERTS))
def test_an_insert_that_makes_no_sense_is_refused(shop: DatabaseManager, case: tuple[str, str]) -> None:
    rest, sqlstate = case
    assert f" {sqlstate}: " in psql(shop, f"INSERT INTO processing_queue {rest};").stderr


@pytest.mark.parametrize("case", CALLS.values(), ids=list(CALLS))
def test_a_call_that_makes_no_sense_is_refused(shop: DatabaseManager, case: tuple[str, str]) -> None:
    arguments, sqlstate = case
    assert (
        psql(
            shop,
            "SELECT enqueue_record('send_invoice', dedup_key => k) FROM unnest('{taken,running}'::text[]) k",
        ).returncode
        == 0
    )
    with shop.transaction() as cursor:
        row = cursor.execute("SELECT id FROM processing_queue WHERE dedup_key = 'running'").fetchone()
    assert row
    start_processing(shop, row[0])
    assert f" {sqlstate}: " in psql(shop, f"SELECT enqueue_record({arguments});").stderr


def test_nobody_may_call_the_function_unless_told_so(shop: DatabaseManager) -> None:
    script = "CREATE ROLE shop; SET ROLE shop; SELECT enqueue_record('send_invoice');"
    assert " 42501: " in psql(shop, script).stderr


def test_the_functions_search_path_cannot_be_bent(shop: DatabaseManager) -> None:
    """Even if the caller has a table with the name `processing_queue`, the function does not write into that
    table."""
    script = "CREATE TEMP TABLE processing_queue (LIKE public.processing_queue); SELECT enqueue_record('send_invoice');"
    assert psql(shop, script).returncode == 0
    with shop.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM public.processing_queue").fetchone() == (1,)
