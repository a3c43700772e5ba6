"""If ANALYZE runs before the COMMIT of the transaction that fills the table, the statistics describe a table that is
empty or has a few records. Even then, every statement of the claim loop, of rescue and of a bulk enqueue finds its
records through an index, and reads only these records."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from queue_store.database.statements import NamedStatement, sql
from queue_store.records.record import Record, Snooze
from queue_store.runs.express import hold_parameters
from queue_store.runs.outcomes import cancel_statement, outcome_statements, release_statement
from queue_store.runs.queue_position import QueuePosition, claim_parameters
from queue_store.runs.run import Run
from tests.support.plans import reading_of_records
from tests.support.servers import PostgresServer, connect
from tests.support.store import ENQUEUE, Store, completed, failed, ids, store_on

RECORD_COUNT = 50_000
BATCH = 10
BUFFERS_AT_MOST = 400  # a scan of all records reads more than a thousand buffers


@pytest.fixture(scope="module", params=[0, 10])
def filled_database(
    postgres_server: PostgresServer, template_database: str, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The name of a database from which each test's database is copied. `request.param`: how many records the table had
    when the statistics were made. If the statistics describe ten records, the planner prefers to sort all due records.
    If the statistics describe no records, the planner prefers a scan of the table."""
    name = postgres_server.create_database(template=template_database)
    url = postgres_server.direct_url(name)
    manager = connect(url, pgbouncer=False)
    with store_on(manager) as store, psycopg.connect(url) as producer:
        store.add_flow()
        store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
        store.enqueue(request.param)
        columns = {"flow_name": "sample", "priority": 5, "order_key": None, "delay": 0}
        producer.execute(ENQUEUE.encode(), {"count": RECORD_COUNT} | columns)
        store.execute("ANALYZE processing_queue")
        assert (
            store.value("SELECT reltuples FROM pg_class WHERE relname = 'processing_queue'") == request.param
        )
    manager.dispose()
    yield name
    postgres_server.drop_database(name)


@pytest.fixture
def filled(postgres_server: PostgresServer, filled_database: str) -> Iterator[Store]:
    name = postgres_server.create_database(template=filled_database)
    manager = connect(postgres_server.database_url(name))
    with store_on(manager, batch_size=BATCH) as store:
        yield store
    manager.dispose()
    postgres_server.drop_database(name)


def outcome(outcomes: Callable[[list[Record]], Any]) -> Callable[[Run, list[Record]], NamedStatement]:
    return lambda run, records: outcome_statements("sample", run.flow_instance_id, outcomes(records), 3)[0]


def suspects(run: Run, _: list[Record]) -> NamedStatement:
    return NamedStatement(
        "arrows/claim_suspects",
        claim_parameters("sample", run.flow_instance_id, BATCH),
    )


def claim(run: Run, _: list[Record]) -> NamedStatement:
    return NamedStatement("arrows/claim", suspects(run, _).parameters | QueuePosition(0, 1_000).parameters())


def hold(run: Run, _: list[Record]) -> NamedStatement:
    return NamedStatement("runs/hold_records", hold_parameters(run, BATCH, 60, is_one_commit=False))


def replacement(run: Run, _: list[Record]) -> NamedStatement:
    """The new payloads wait in the temporary table of a bulk call."""
    keys = [f"key {one}" for one in range(20_000, 20_000 + BATCH)]
    run.held.driver.execute(sql("enqueueing/create_staging"))
    run.held.driver.execute(
        "INSERT INTO pg_temp.processing_queue_staging (flow_name, payload, dedup_key)"
        " SELECT 'sample', '{}', key FROM unnest(%s::text[]) AS key",
        (keys,),
    )
    return NamedStatement("enqueueing/replace_staging", {"dedup_keys": keys})


def look(name: str) -> Callable[[Run, list[Record]], NamedStatement]:
    return lambda run, _: NamedStatement(name, {"flow_name": "sample"} | run.position.bounds())


STATEMENTS: dict[str, Callable[[Run, list[Record]], NamedStatement]] = {
    "complete": outcome(completed),
    "retry": outcome(lambda records: failed(records, 60)),
    "snooze": outcome(lambda records: [Snooze(record, 60) for record in records]),
    "release": lambda run, records: release_statement("sample", run.flow_instance_id, records),
    "cancel": lambda run, records: cancel_statement("sample", run.flow_instance_id, records),
    "claim": claim,
    "claim of suspects": suspects,
    "hold of a slice": hold,
    "oldest waiting level": look("runs/oldest_waiting_level"),
    "finished under claim": lambda run, records: NamedStatement(
        "runs/finished_under_claim", release_statement("sample", run.flow_instance_id, records).parameters
    ),
    "rescue": lambda run, _: NamedStatement(
        "arrows/rescue",
        {"flow_instance_id": run.flow_instance_id, "max_crash_strikes": 3, "max_unfinished_claims": 5},
    ),
    "rescue of the overdue": lambda *_: NamedStatement(
        "arrows/rescue_overdue", {"orphan_timeout_seconds": 60, "limit": 1_000, "max_unfinished_claims": 5}
    ),
    "cancels that crossed": lambda *_: NamedStatement("arrows/cancel_requested", {}),
    "twins of a bulk": lambda run, records: NamedStatement(
        "enqueueing/unfinished_twins",
        {"flow_name": "sample", "dedup_keys": [f"key {one}" for one in ids(records)]},
    ),
    "replacements of a bulk": replacement,
}


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
def test_records_are_found_through_an_index(filled: Store, name: str, plan_cache_mode: str) -> None:
    run = filled.run()
    records = run.begin()
    filled.execute(
        "INSERT INTO cancel_requests (record_id, requested_by) SELECT id, 'me' FROM unnest(%s::bigint[]) AS id",
        (ids(records),),
    )
    filled.execute(
        "UPDATE processing_queue SET batch_limit = 5 WHERE id = ANY(%s)", (list(range(30_000, 30_010)),)
    )
    if name == "rescue":
        run.end()
    if name.endswith("of a bulk"):
        filled.execute("UPDATE processing_queue SET dedup_key = 'key ' || id")
    if name == "rescue of the overdue":
        filled.execute(
            "UPDATE processing_queue SET claimed_at = now() - interval '1 day' WHERE status = 'processing'"
        )
    statement = STATEMENTS[name](run, records)
    driver = run.held.driver
    driver.execute(sql("runs/plan_once"), run.parameters)
    driver.execute(f"SET LOCAL plan_cache_mode = {plan_cache_mode}".encode())
    plan = driver.execute(
        b"EXPLAIN (ANALYZE, BUFFERS) " + sql(statement.name), statement.parameters
    ).fetchall()
    driver.rollback()
    text = "\n".join(row[0] for row in plan)
    buffers = sum(
        map(
            int,
            re.findall(r"(?:hit|read)=(\d+)", next(line for line in text.splitlines() if "shared" in line)),
        )
    )
    assert buffers <= BUFFERS_AT_MOST, text


@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
def test_a_replacement_is_looked_up_by_its_key_and_then_by_its_id(
    filled: Store, plan_cache_mode: str
) -> None:
    """A bulk call does not execute plan_once.sql, so only the statement itself steers this plan."""
    filled.execute("UPDATE processing_queue SET dedup_key = 'key ' || id")
    run = filled.run()
    statement = replacement(run, [])
    with run.held.driver.cursor() as cursor:
        reading = reading_of_records(cursor, sql(statement.name), statement.parameters, plan_cache_mode)
    run.held.driver.rollback()
    assert reading.indexes == {"processing_queue_dedup", "processing_queue_pkey"}
    assert reading.most_records <= BATCH
