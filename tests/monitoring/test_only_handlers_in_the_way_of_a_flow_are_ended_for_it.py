"""The advice for a flow that is held up names only handlers of the worker processes that serve this flow."""

from uuid import uuid4

from queue_store.database.manager import DatabaseManager
from queue_store.settings import ProcessorSettings
from tasks.monitoring.rules.flow_rules import processing_rate
from tasks.monitoring.snapshot import take_snapshot
from tests.support import filling
from tests.support.restoring import restore_rows

CLAIMED = """
INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at, flow_instance_id)
VALUES (%(flow)s, 'processing', 1, now(), %(run)s) RETURNING id
"""
HANGS = """
UPDATE worker_processes SET in_hand_record_id = %(id)s, in_hand_claim_number = 1, in_hand_flow_name = %(flow)s,
    in_hand_run_id = %(run)s, in_hand_since = now() - make_interval(secs => %(seconds)s)
WHERE worker_process_id = %(process)s
"""


def hung(database: DatabaseManager, flow_name: str, seconds: float) -> int:
    """Adds a process that serves only this flow, and whose handler has run for `seconds`. Returns the id of the
    handler's record."""
    process = filling.add_worker_process(database, flow_name)
    parameters = {"flow": flow_name, "run": uuid4(), "process": process, "seconds": seconds}
    with database.transaction() as cursor:
        restore_rows(cursor)
        row = cursor.execute(CLAIMED, parameters).fetchone()
        assert row is not None
        cursor.execute(HANGS, parameters | {"id": row[0]})
    return int(row[0])


def advice(database: DatabaseManager) -> str:
    settings = ProcessorSettings(heartbeat_seconds=0.1, lease_seconds=0.5)
    (finding,) = processing_rate(take_snapshot(database, settings, with_integrity=False))
    assert finding.flow_name == "alpha"
    return finding.next_step


def held_up(database: DatabaseManager) -> int:
    """The handler of `alpha` hangs, and six handlers of `other` have hung for longer. Returns the id of alpha's
    record."""
    filling.add_flow(database)
    filling.add_flow(database, "other")
    for _ in range(6):
        hung(database, "other", 5_000)
    filling.add_records(database, 3, age_seconds=1_500)
    return hung(database, "alpha", 600)


def test_longer_hung_handlers_of_other_processes_are_not_named(database: DatabaseManager) -> None:
    record_id = held_up(database)
    assert advice(database).endswith(f"queuectl end {record_id}")


def test_without_such_a_handler_no_record_is_named(database: DatabaseManager) -> None:
    held_up(database)
    filling.add_worker_process(database, "alpha")
    assert "queuectl end" not in advice(database)
