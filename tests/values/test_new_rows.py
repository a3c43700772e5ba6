"""The database checks the values of new rows. A row with bad values never keeps other rows from being claimed."""

import psycopg
import pytest

from tests.support.restoring import RESTORED
from tests.support.store import Store, ids

REFUSED = {
    "processing": "status, claim_number, claimed_at, flow_instance_id) SELECT 'sample', 'processing', 1, now(), "
    "gen_random_uuid()",
    "claimed before": "claim_number) SELECT 'sample', 1",
    "at the end of its claims": "claim_number) SELECT 'sample', 2147483647",
    "tried before": "retry_count) SELECT 'sample', 5",
    "struck before": "crash_strikes) SELECT 'sample', 3",
    "without an outcome before": "unfinished_claims) SELECT 'sample', 1",
    "a suspect": "batch_limit) SELECT 'sample', 1",
    "with an error": "error_message) SELECT 'sample', 'x'",
    "with a result": "result) SELECT 'sample', '{}'::jsonb",
    "id 0": "id) SELECT 'sample', 0",
    "a negative id": "id) SELECT 'sample', -5",
    "an id that leaves no next one": "id) SELECT 'sample', 9223372036854775807",
    "failed too often to go on": "status, error_message, retry_count) SELECT 'sample', 'failed', 'x', 2147483647",
    "completed at no time": "status, claim_number, claimed_at, flow_instance_id, completed_at) SELECT 'sample', "
    "'completed', 1, now(), gen_random_uuid(), 'infinity'::timestamptz",
}
FINISHED = (
    "status, claim_number, claimed_at, flow_instance_id, completed_at) SELECT 'sample', 'completed', 3, now(), "
    "gen_random_uuid(), now()",
    "status, retry_count, crash_strikes, error_message) SELECT 'sample', 'failed', 4, 3, 'x'",
    "status, retry_count) SELECT 'sample', 'cancelled', 1",
)


@pytest.mark.parametrize("row", REFUSED.values(), ids=list(REFUSED))
def test_a_row_that_no_producer_makes_is_refused(store: Store, row: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="a new record"):
        store.execute(f"INSERT INTO processing_queue (flow_name, {row}")
    assert store.statuses() == {}


@pytest.mark.parametrize("row", FINISHED)
def test_finished_rows_may_come_in(store: Store, row: str) -> None:
    assert store.execute(f"INSERT INTO processing_queue (flow_name, {row}") == 1


def test_a_restore_brings_live_rows_back_as_they_were(store: Store) -> None:
    assert (
        store.execute(f"INSERT INTO processing_queue (flow_name, {REFUSED['processing']} WHERE {RESTORED}")
        == 1
    )
    assert (
        store.execute(f"INSERT INTO processing_queue (flow_name, {REFUSED['tried before']} WHERE {RESTORED}")
        == 1
    )


@pytest.mark.parametrize("row", [REFUSED["at the end of its claims"], REFUSED["a negative id"]])
def test_a_restore_brings_back_nothing_that_leaves_no_room(store: Store, row: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        store.execute(f"INSERT INTO processing_queue (flow_name, {row} WHERE {RESTORED}")


@pytest.mark.parametrize("batch_size", [1, 10])
def test_a_record_without_a_next_claim_number_keeps_no_other_back(store: Store, batch_size: int) -> None:
    ending, innocent = store.enqueue(2)
    with store.database.transaction() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # only superusers may set this
        cursor.execute("UPDATE processing_queue SET claim_number = 2147483647 WHERE id = %s", (ending,))
    assert ids(store.run(batch_size=batch_size).begin()) == [innocent]
