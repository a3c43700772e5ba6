"""An express slice writes the same rows as a claim and a completion. A slice that is rolled back writes nothing."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from queue_store.records.record import Cancelled, Completed, Outcome, Record, Snooze
from queue_store.runs.express import HeldSlice, NotExpressError, hold
from queue_store.runs.run import Run
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect
from tests.support.store import Store, completed, failed, ids, store_on

LEASE_SECONDS = 10.0
A_WAIT_OF_TWENTY_SECONDS = (
    "UPDATE processing_queue SET scheduled_at = now() - interval '20 s' WHERE status = 'pending'"
)
COUNTED = """
SELECT sum(claimed), sum(completed), sum(retried), sum(failed), sum(snoozed), sum(cancelled), sum(refused),
    (SELECT array_agg(total ORDER BY bucket) FROM (
        SELECT bucket, sum(n) AS total FROM rollup_deltas d, unnest(d.wait_histogram) WITH ORDINALITY AS w(n, bucket)
        GROUP BY bucket) waits),
    (SELECT array_agg(total ORDER BY bucket) FROM (
        SELECT bucket, sum(n) AS total
        FROM rollup_deltas d, unnest(d.processing_histogram) WITH ORDINALITY AS w(n, bucket)
        GROUP BY bucket) durations),
    sum(processing_seconds) > 0, sum(wait_seconds) > 0
FROM rollup_deltas
"""
ROWS = """
SELECT id, status, claim_number, retry_count, crash_strikes, unfinished_claims, batch_limit, error_message, result,
    flow_instance_id IS NULL, claimed_at IS NULL, started_at IS NULL, completed_at IS NULL, completed_at >= claimed_at,
    started_at >= claimed_at, updated_at >= claimed_at, scheduled_at > created_at
FROM processing_queue ORDER BY id
"""
ATTEMPTS = """
SELECT record_id, claim_number, attempt_number, outcome, exception_type, error_message, error_group,
    flow_instance_id = %s
FROM record_attempts ORDER BY record_id
"""


def begun(store: Store, **options: Any) -> Run:
    """A run that has completed one batch, so that it is registered."""
    store.enqueue(1)
    run = store.run(**options)
    run.write(completed(run.begin()))
    return run


def held(run: Run, batch_size: int = 10) -> HeldSlice:
    slice_in_hand = hold(run, batch_size, LEASE_SECONDS)
    assert slice_in_hand is not None
    return slice_in_hand


def every_outcome(records: Sequence[Record]) -> list[Outcome]:
    done = [Completed(r, started=1.0, finished=1.02, result=b'{"n": 1}') for r in records[:2]]
    return [
        *done,
        *completed(records[2:4]),
        *failed(records[4:5], retry_delay_seconds=60),
        *failed(records[5:6]),
        Snooze(records[6], 60),
        Cancelled(records[7]),
    ]


@pytest.mark.parametrize("outcomes_of", [every_outcome, completed])
def test_express_leaves_the_rows_the_counts_and_the_attempts_of_a_claim(
    store: Store, outcomes_of: Any
) -> None:
    left: list[Any] = []
    for is_express in (False, True):
        store.execute("TRUNCATE processing_queue RESTART IDENTITY")
        run = begun(store)
        store.execute("DELETE FROM rollup_deltas")
        record_ids = store.enqueue(8)
        store.execute(A_WAIT_OF_TWENTY_SECONDS)
        run.position.drop()
        in_hand = held(run) if is_express else None
        records = in_hand.records if in_hand else run.claim()
        assert ids(records) == record_ids
        store.execute(
            "INSERT INTO cancel_requests (record_id, requested_by) VALUES (%s, 'me')", (record_ids[7],)
        )
        outcomes = outcomes_of(records)
        if in_hand:
            in_hand.settle(outcomes)
        else:
            run.write(outcomes)
        counts = run.counts.parameters()
        attempts = store.query(ATTEMPTS, (run.flow_instance_id,))
        requests = store.query("SELECT record_id FROM cancel_requests")
        left.append((store.query(ROWS), store.query(COUNTED), attempts, requests, counts))
    assert left[0] == left[1]


def test_a_held_record_is_passed_by_and_pending(store: Store) -> None:
    run, rival = begun(store), store.run()
    first = store.enqueue(3)
    in_hand = held(run, batch_size=3)
    second = store.enqueue(2)
    assert ids(rival.begin()) == second
    assert store.status(first[0]) == "pending"
    written, _ = in_hand.settle(completed(in_hand.records))
    assert written.completed_ids == first


def test_two_slices_have_no_record_in_common(store: Store) -> None:
    one, other = begun(store), begun(store)
    record_ids = store.enqueue(6)
    first, second = held(one, 3), held(other, 6)
    assert (ids(first.records), ids(second.records)) == (record_ids[:3], record_ids[3:])


def test_a_slice_that_is_rolled_back_leaves_nothing(store: Store) -> None:
    run = begun(store)
    store.enqueue(4)
    before = store.query(ROWS), store.query(COUNTED), run.counts.records_claimed
    held(run).roll_back()
    assert (store.query(ROWS), store.query(COUNTED), run.counts.records_claimed) == before


def test_what_is_neither_finished_nor_wanted_is_let_go(store: Store) -> None:
    run = begun(store)
    record_ids = store.enqueue(4)
    in_hand = held(run)
    in_hand.settle(completed(in_hand.records[:1]))
    assert run.counts.records_claimed == 2
    assert [store.status(i) for i in record_ids] == ["completed", "pending", "pending", "pending"]
    assert ids(run.claim()) == record_ids[1:]


def test_the_rest_of_a_slice_is_claimed_under_the_number_that_its_handlers_know(store: Store) -> None:
    run = begun(store)
    record_ids = store.enqueue(4)
    in_hand = held(run)
    records = in_hand.records
    written, claimed_ids = in_hand.settle(completed(records[:2]), rest=records[2:])
    assert (written.completed_ids, claimed_ids) == (record_ids[:2], set(record_ids[2:]))
    assert [store.status(i) for i in record_ids[2:]] == ["processing", "processing"]
    assert run.write(completed(records[2:])).completed_ids == record_ids[2:]
    assert run.counts.records_claimed == run.counts.records_completed == 5


@pytest.mark.parametrize("state", ["dead", "ended"])
def test_a_run_that_is_over_completes_nothing_that_it_holds(store: Store, state: str) -> None:
    run = begun(store)
    record_ids = store.enqueue(2)
    in_hand = held(run)
    store.execute("UPDATE flow_execution_logs SET state = %s, finished_at = now()", (state,))
    written, claimed_ids = in_hand.settle(completed(in_hand.records[:1]), rest=in_hand.records[1:])
    assert (written.refused_ids, claimed_ids) == (record_ids[:1], set())
    assert store.status(record_ids[0]) == "pending"


@pytest.mark.parametrize(
    "close",
    [
        "UPDATE flows SET paused_at = now()",
        "UPDATE queue_control SET processing_stopped_at = now()",
        "UPDATE flow_execution_logs SET state = 'stopping'",
    ],
)
def test_nothing_is_held_while_the_flow_or_the_run_is_not_open(store: Store, close: str) -> None:
    run = begun(store)
    store.enqueue(2)
    store.execute(close)
    assert hold(run, 10, LEASE_SECONDS) is None


def test_a_record_that_is_not_due_is_not_held(store: Store) -> None:
    run = begun(store)
    due, _ = store.enqueue(2)
    store.execute("UPDATE processing_queue SET scheduled_at = now() + interval '1 h' WHERE id <> %s", (due,))
    assert ids(held(run).records) == [due]


@pytest.mark.parametrize("is_completed", [True, False])
def test_nothing_is_written_under_the_number_of_another_claim(store: Store, is_completed: bool) -> None:
    run = begun(store)
    [record_id] = store.enqueue(1)
    in_hand = held(run)
    [record] = in_hand.records
    record.claim_number += 1
    written, claimed_ids = (
        in_hand.settle(completed([record])) if is_completed else in_hand.settle([], [record])
    )
    assert (written.completed_ids, claimed_ids) == ([], set())
    assert store.status(record_id) == "pending"


@pytest.mark.parametrize("is_completed", [True, False])
def test_a_record_that_its_own_slice_cancelled_stays_cancelled(store: Store, is_completed: bool) -> None:
    run = begun(store)
    [record_id] = store.enqueue(1)
    in_hand = held(run)
    run.held.driver.execute("UPDATE processing_queue SET status = 'cancelled' WHERE id = %s", (record_id,))
    [record] = in_hand.records
    written, claimed_ids = (
        in_hand.settle(completed([record])) if is_completed else in_hand.settle([], [record])
    )
    assert (written.completed_ids, claimed_ids) == ([], set())
    assert store.status(record_id) == "cancelled"


def test_a_slice_never_holds_more_than_was_asked_for(own_database_url: str) -> None:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        run = begun(store)
        store.enqueue(500)
        run.held.driver.execute(
            "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off"
        )
        run.held.driver.commit()
        for _ in range(3):
            in_hand = held(run, 7)
            assert len(in_hand.records) == 7
            in_hand.settle(completed(in_hand.records))
    manager.dispose()


@direct_only
@pytest.mark.parametrize("is_due", [False, True], ids=["nothing is due", "the next record is to be claimed"])
def test_a_slice_that_does_not_begin_leaves_the_statements_prepared(store: Store, is_due: bool) -> None:
    """If psycopg itself sends a ROLLBACK, it forgets its prepared statements. Every run that processes all due records
    ends with a slice that finds nothing."""
    run = begun(store)
    if is_due:
        store.enqueue(1)
        store.execute("UPDATE processing_queue SET retry_count = 1 WHERE status = 'pending'")
    for _ in range(8):  # psycopg prepares a statement after five executions
        with suppress(NotExpressError):
            assert hold(run, 10, LEASE_SECONDS) is None
    with run.held.transaction() as cursor:
        prepared = cursor.execute("SELECT statement FROM pg_prepared_statements").fetchall()
    assert any("SKIP LOCKED" in row[0] for row in prepared)
