"""The database itself refuses impossible states and unknown arrows, whoever sends the UPDATE."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from queue_store.runs.run import Run
from tests.support.store import Store, completed, failed

STATES = ("pending", "processing", "completed", "failed", "cancelled")
OWNED = "claimed_at = coalesce(claimed_at, now()), flow_instance_id = coalesce(flow_instance_id, gen_random_uuid())"
UNOWNED = "claimed_at = NULL, flow_instance_id = NULL, completed_at = NULL"
# the columns that a well-meaning operator would set together with the status
OTHERS = {
    "pending": UNOWNED,
    "processing": f"{OWNED}, completed_at = NULL, claim_number = claim_number + 1",
    "completed": f"{OWNED}, completed_at = now() + interval '1 second', claim_number = greatest(claim_number, 1)",
    "failed": "error_message = 'by hand', completed_at = NULL",
    "cancelled": "completed_at = NULL",
}
KNOWN = {
    ("pending", "processing"),
    ("pending", "completed"),
    ("pending", "cancelled"),
    ("processing", "pending"),
    ("processing", "completed"),
    ("processing", "failed"),
    ("processing", "cancelled"),
    ("failed", "pending"),
}


def bring_to(store: Store, state: str) -> None:
    store.enqueue(1)
    if state == "pending":
        return
    if state == "cancelled":
        store.execute("UPDATE processing_queue SET status = 'cancelled'")
        return
    run: Run = store.run()
    batch = run.begin()
    if state == "completed":
        run.write(completed(batch))
    elif state == "failed":
        run.write(failed(batch))


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(psycopg.errors.CheckViolation):
        yield


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_only_the_known_arrows_can_be_taken_by_hand(store: Store, before: str, after: str) -> None:
    bring_to(store, before)
    others = OTHERS[after] if before != after else "updated_at = now()"
    if before == "processing":
        others = others.replace(", claim_number = claim_number + 1", "")
    statement = f"UPDATE processing_queue SET status = '{after}', {others}"  # noqa: S608
    if before == after or (before, after) in KNOWN:
        assert store.execute(statement) == 1
    else:
        with refused():
            store.execute(statement)
        assert store.statuses() == {before: 1}


def test_a_completion_without_a_claim_is_refused(store: Store) -> None:
    """A statement that completes a pending record must add 1 to `claim_number`, as a claim does. So the fence refuses
    the outcome of an earlier claim."""
    store.enqueue(1)
    store.execute("UPDATE processing_queue SET status = 'processing', claim_number = 1, " + OWNED)  # noqa: S608
    store.execute(f"UPDATE processing_queue SET status = 'pending', {UNOWNED}")  # noqa: S608
    for claim_number in (0, 1, 3):
        with refused():
            store.execute(
                f"UPDATE processing_queue SET status = 'completed', {OWNED}, completed_at = now() + interval '1 s',"  # noqa: S608
                f" claim_number = {claim_number}"
            )


@pytest.mark.parametrize(
    "assignment",
    [
        "status = 'done'",
        "status = 'PENDING'",
        "status = 'processing'",
        "status = 'completed'",
        "status = 'failed'",
        "claimed_at = now()",
        "flow_instance_id = gen_random_uuid()",
        "completed_at = now()",
        "claim_number = 7",
        "claim_number = -1",
        "retry_count = -1",
        "crash_strikes = -1",
        "priority = 10",
        "priority = -1",
        "batch_limit = 0",
        "scheduled_at = 'infinity'",
        "scheduled_at = '-infinity'",
        "scheduled_at = '9999-12-31'",
        "scheduled_at = '1999-12-31'",
        "created_at = 'infinity'",
        "updated_at = 'infinity'",
        "flow_name = ''",
        "flow_name = 'With Spaces'",
        "flow_name = 'x; DROP TABLE processing_queue'",
        "dedup_key = ''",
        "dedup_key = repeat('x', 256)",
        "order_key = ''",
        "correlation_id = repeat('x', 256)",
        "trace_context = repeat('x', 1025)",
        "error_message = repeat('x', 4001)",
        "payload = jsonb_build_object('x', repeat('x', 1100000))",
    ],
)
def test_a_wrong_manual_update_of_a_pending_record_is_refused(store: Store, assignment: str) -> None:
    store.enqueue(1)
    with refused():
        store.execute(f"UPDATE processing_queue SET {assignment}")  # noqa: S608
    assert store.statuses() == {"pending": 1}


@pytest.mark.parametrize(
    "assignment",
    [
        "claimed_at = NULL",
        "flow_instance_id = NULL",
        "completed_at = now()",
        "claim_number = claim_number + 1",
    ],
)
def test_a_wrong_manual_update_of_a_running_record_is_refused(store: Store, assignment: str) -> None:
    bring_to(store, "processing")
    with refused():
        store.execute(f"UPDATE processing_queue SET {assignment}")  # noqa: S608


def test_a_running_record_cannot_be_given_to_another_run_by_hand(store: Store) -> None:
    """An UPDATE by hand does not raise the claim number. If it were allowed, two runs would have the same claim
    number."""
    bring_to(store, "processing")
    with refused():
        store.execute("UPDATE processing_queue SET flow_instance_id = gen_random_uuid()")


@pytest.mark.parametrize("table", ["flow_execution_logs", "worker_processes"])
@pytest.mark.parametrize("state", ["ended", "dead"])
def test_what_ended_or_died_does_not_come_back(store: Store, table: str, state: str) -> None:
    bring_to(store, "processing")
    ended = "finished_at" if table == "flow_execution_logs" else "ended_at"
    store.execute(f"UPDATE {table} SET state = '{state}', {ended} = now()")  # noqa: S608
    for revived in {"running", "stopping", "ended", "dead"} - {state}:
        with refused():
            store.execute(f"UPDATE {table} SET state = '{revived}', {ended} = NULL")  # noqa: S608
