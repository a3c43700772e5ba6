"""Rescue gives back a processing record whose run has no row. Such a record exists only if somebody has changed the
tables, so rescue writes to the log and to the audit log."""

import logging

import pytest

from queue_store.readings.integrity import find_violations
from tests.support.store import Store

PAST_THE_GUARDS = "SET LOCAL session_replication_role = replica"
CLAIMED_BY_NOBODY = """
UPDATE processing_queue SET status = 'processing', claim_number = 1, claimed_at = now(),
    flow_instance_id = gen_random_uuid() WHERE id = %s
"""


def test_what_is_given_back_without_a_run_is_logged_and_audited(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    (record_id, _) = store.enqueue(2)
    with store.database.transaction() as cursor:
        cursor.execute(PAST_THE_GUARDS.encode())
        cursor.execute(CLAIMED_BY_NOBODY.encode(), (record_id,))
    with caplog.at_level(logging.WARNING):
        assert store.rescue.sweep_overdue().pending_ids == [record_id]
    assert "gave back 1 record, whose run has no row or whose claim is older" in caplog.text
    audit = "SELECT actor, action, target, affected_count FROM audit_log"
    assert store.query(audit) == [("rescue", "rescue overdue", f"records {record_id}", 1)]
    caplog.clear()
    assert store.rescue.sweep_overdue().pending_ids == []
    assert len(store.query(audit)) == 1
    assert caplog.text == ""


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM processing_queue WHERE id = (SELECT min(id) FROM processing_queue)",
        "UPDATE processing_queue SET status = 'cancelled' WHERE id = (SELECT min(id) FROM processing_queue)",
    ],
)
def test_rows_that_were_deleted_or_flipped_past_the_guards_are_found(store: Store, statement: str) -> None:
    store.enqueue(3)
    with store.database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []
    with store.database.transaction() as cursor:
        cursor.execute(PAST_THE_GUARDS.encode())
        cursor.execute(statement.encode())
    with store.database.transaction() as cursor:
        assert "totals_that_do_not_add_up" in {v.check.name for v in find_violations(cursor, full=True)}
