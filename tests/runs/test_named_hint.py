"""`unindexed(…)` and the view `unblocked_records` cost nothing. A statement that uses them has the same plan as a
statement that contains their SQL instead. Both the owner and the role of workers get that plan."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import ClientCursor

from queue_store.database.roles import grant_roles
from queue_store.database.statements import sql
from queue_store.queue_schema import role_name
from queue_store.runs.run import Run
from tests.runs.test_order_keys_at_scale import LOOKS, enqueue_keyed
from tests.support.older_statements import before_unblocked_records, before_unindexed
from tests.support.plans import numbered
from tests.support.servers import connect
from tests.support.store import Store, store_on

KEPT_BY_RUNS = sorted(set(LOOKS) - {"flows/flows_with_work"})


@pytest.fixture
def own_store(own_database_url: str) -> Iterator[Store]:
    manager = connect(own_database_url)
    with store_on(manager, batch_size=500) as store:
        store.execute(
            "ALTER TABLE processing_queue SET (autovacuum_enabled = off)"
        )  # autovacuum would change the plans
        store.add_flow()
        yield store
    manager.dispose()


def plan(run: Run, statement: bytes, parameters: dict[str, Any], *, as_worker: bool = False) -> list[str]:
    driver = run.held.driver
    try:
        if as_worker:
            driver.execute(f"SET LOCAL ROLE {role_name('worker')}".encode())
        driver.execute(sql("runs/plan_once"), run.parameters)
        return [row[0] for row in driver.execute(b"EXPLAIN (VERBOSE) " + statement, parameters).fetchall()]
    finally:
        driver.rollback()


@pytest.mark.parametrize("analysed", [True, False])
@pytest.mark.parametrize("look", LOOKS)
def test_the_hint_is_inlined_and_changes_no_plan(own_store: Store, look: str, analysed: bool) -> None:
    grant_roles(own_store.database)
    enqueue_keyed(own_store, keys=20, count=200)
    own_store.enqueue(2_000)
    run = own_store.run(batch_size=10)
    run.begin()
    if analysed:
        own_store.execute("ANALYZE")
    parameters = LOOKS[look](run)
    before = plan(run, before_unindexed(sql(look)), parameters)
    assert plan(run, sql(look), parameters) == before
    assert plan(run, sql(look), parameters, as_worker=True) == before
    text = "\n".join(before)
    for name in ("unindexed(", "blocks_key(", "unblocked_records", "running_keys"):
        assert name not in text
    assert "processing_queue_running_key" in text


@pytest.mark.parametrize("look", [name for name in KEPT_BY_RUNS if b"unblocked_records" in sql(name)])
def test_the_view_gives_the_plan_of_the_rule_written_out(own_store: Store, look: str) -> None:
    enqueue_keyed(own_store, keys=20, count=200)
    own_store.enqueue(2_000)
    run = own_store.run(batch_size=10)
    run.begin()
    own_store.execute("ANALYZE")
    before = kept_plan(run, before_unblocked_records(sql(look)), LOOKS[look](run))
    assert without_conditions(kept_plan(run, sql(look), LOOKS[look](run))) == without_conditions(before)


def without_conditions(plan: list[str]) -> list[str]:
    """Removes the conditions, because the view changes their order. Also removes the parts that depend on this order:
    the numbers in names such as `SubPlan 1`, and the estimated costs."""
    numbers_and_costs = re.compile(r"(?<=Plan) \d+|(?<=\b[a-z])_\d+\b|  \(cost=.*\)")
    return [numbers_and_costs.sub("", line) for line in plan if "Filter: " not in line]


@pytest.mark.parametrize("look", KEPT_BY_RUNS)
def test_the_plan_that_serves_every_batch_asks_the_key_and_not_all_that_failed(
    own_store: Store, look: str
) -> None:
    """EXPLAIN plans a statement for the values of its parameters. But the plan that a run keeps is made without these
    values."""
    enqueue_keyed(own_store, keys=20, count=200)
    own_store.enqueue(2_000)
    run = own_store.run(batch_size=10)
    run.begin()
    own_store.execute("ANALYZE")
    text = "\n".join(kept_plan(run, sql(look), LOOKS[look](run)))
    assert "$" in text
    assert "processing_queue_failed" not in text
    assert "processing_queue_order" in text
    assert "processing_queue_running_key" in text


def kept_plan(run: Run, statement: bytes, parameters: dict[str, Any]) -> list[str]:
    text, values = numbered(statement, parameters)
    with ClientCursor(run.held.driver) as cursor:
        arguments = cursor.mogrify(", ".join(["%s"] * len(values)), values)
        try:
            cursor.execute(sql("runs/plan_once"), run.parameters)
            cursor.execute(f"PREPARE kept AS {text}".encode())
            return [
                row[0] for row in cursor.execute(f"EXPLAIN EXECUTE kept ({arguments})".encode()).fetchall()
            ]
        finally:
            run.held.driver.rollback()
            run.held.driver.execute("DEALLOCATE ALL")
            run.held.driver.rollback()
