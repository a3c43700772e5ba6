"""A claim is cheap if no record is due, and stays cheap while an old snapshot keeps vacuum from cleaning up."""

import re
from typing import Any

import psycopg
import pytest

from queue_store.database.statements import sql
from queue_store.runs.queue_position import QueuePosition, claim_parameters
from queue_store.runs.run import Run
from tests.support.servers import connect
from tests.support.store import Store, completed, exchange, store_on

HELD_RECORDS = 20_000


@pytest.fixture
def own_store(own_database_url: str):  # type: ignore[no-untyped-def]
    manager = connect(own_database_url)
    with store_on(manager, batch_size=500) as store:
        store.add_flow()
        yield store
    manager.dispose()


def explained_claim(run: Run, cursor: QueuePosition) -> str:
    parameters = claim_parameters("sample", run.flow_instance_id, 100)
    return explained(run, "arrows/claim", parameters | cursor.parameters())


def explained(run: Run, statement: str, parameters: dict[str, Any]) -> str:
    driver = run.held.driver
    try:
        rows = driver.execute(b"EXPLAIN (ANALYZE, BUFFERS) " + sql(statement), parameters).fetchall()
    finally:
        driver.rollback()
    return "\n".join(row[0] for row in rows)


def buffers_of_claim(run: Run, cursor: QueuePosition) -> int:
    return buffers_in(explained_claim(run, cursor))


def buffers_of_look(run: Run, cursor: QueuePosition) -> int:
    parameters = {"flow_name": "sample"} | cursor.bounds()
    return buffers_in(explained(run, "runs/oldest_waiting_level", parameters))


def buffers_in(plan: str) -> int:
    first = next(line for line in plan.splitlines() if "Buffers: shared" in line)
    return sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", first))


def finish_everything(store: Store) -> Run:
    run = store.run()
    batch = run.begin()
    while batch:
        _, batch = exchange(run, completed(batch))
    return run


def test_an_empty_claim_reads_fifty_buffers_at_most(own_store: Store) -> None:
    own_store.enqueue(5_000)
    run = finish_everything(own_store)
    with psycopg.connect(_url(own_store), autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) processing_queue")
    assert buffers_of_claim(run, QueuePosition(0, 1_000)) <= 50


def test_a_held_snapshot_does_not_slow_down_a_claim_with_its_cursor(own_store: Store) -> None:
    own_store.enqueue(HELD_RECORDS)
    with psycopg.connect(_url(own_store)) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM processing_queue")
        run = own_store.run()
        run.position.cursor_seconds, run.position.aging_claims = 3_600, 1_000_000
        batch = run.begin()
        for _ in range(HELD_RECORDS // 500 - 2):
            _, batch = exchange(run, completed(batch))
        with_cursor = buffers_of_claim(run, run.position)
        without = buffers_of_claim(run, QueuePosition(0, 1_000_000))
        holder.rollback()
    assert with_cursor < 3_000
    assert without > with_cursor + 300


def test_a_held_snapshot_does_not_slow_down_the_look_for_what_waited_longest(own_store: Store) -> None:
    """One claim in twenty begins with the search for the record that has waited longest."""
    own_store.enqueue(HELD_RECORDS)
    with psycopg.connect(_url(own_store)) as holder:
        holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        holder.execute("SELECT count(*) FROM processing_queue")
        run = own_store.run()
        run.position.cursor_seconds, run.position.aging_claims = 3_600, 1_000_000
        batch = run.begin()
        for _ in range(HELD_RECORDS // 500 - 2):
            _, batch = exchange(run, completed(batch))
        with run.held.transaction() as cursor:
            assert run.claimer.oldest_waiting_level(cursor) == 5
        at_the_cursor = buffers_of_look(run, run.position)
        from_the_beginning = buffers_of_look(run, QueuePosition(0, 1_000_000))
        holder.rollback()
    assert at_the_cursor < 1_000
    assert from_the_beginning > at_the_cursor + 300


@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
def test_an_outcome_is_written_by_id_and_not_through_all_that_its_run_had_claimed(
    own_store: Store, plan_cache_mode: str
) -> None:
    own_store.enqueue(5_000)
    own_store.execute("ANALYZE processing_queue")
    run = own_store.run()
    [statement] = run.outcome_statements(completed(run.begin()[:10]))
    driver = run.held.driver
    driver.execute(f"SET LOCAL plan_cache_mode = {plan_cache_mode}".encode())
    rows = driver.execute(b"EXPLAIN " + sql(statement.name), statement.parameters).fetchall()
    driver.rollback()
    plan = "\n".join(row[0] for row in rows)
    assert "processing_queue_pkey" in plan
    assert "processing_queue_processing" not in plan


@pytest.mark.parametrize("plan_cache_mode", ["force_custom_plan", "force_generic_plan"])
def test_a_claim_does_not_walk_over_all_that_waits_when_statistics_are_old(
    own_store: Store, plan_cache_mode: str
) -> None:
    """The table is analysed while it is empty, and filled later. So the planner expects few entries in the
    index of pending rows."""
    own_store.execute("ANALYZE processing_queue")
    own_store.execute("ALTER TABLE processing_queue SET (autovacuum_enabled = off)")
    own_store.enqueue(20_000)
    run = own_store.run()
    run.begin()
    run.held.driver.execute(f"SET LOCAL plan_cache_mode = {plan_cache_mode}".encode())
    plan = explained_claim(run, run.position)
    assert plan.count("processing_queue_pending") == 1, plan
    assert "Index Scan using processing_queue_pending" in plan


def _url(store: Store) -> str:
    url = store.database.settings.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)
