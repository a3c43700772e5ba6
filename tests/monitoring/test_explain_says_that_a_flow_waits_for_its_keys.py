"""If each due record waits for an earlier record of its order_key, `explain --flow` says that none can be claimed."""

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.explain import Reason, explain_flow
from queue_store.settings import ProcessorSettings
from tests.support import filling
from tests.support.troubles import execute

KEYED = """
INSERT INTO processing_queue (flow_name, order_key, scheduled_at) VALUES ('alpha', 'k', now() + %(delay)s::interval)
"""


@pytest.fixture(autouse=True)
def _served(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    execute(database, KEYED, delay="1 hour")


def first_reason(database: DatabaseManager) -> Reason:
    with database.transaction() as cursor:
        return explain_flow(cursor, ProcessorSettings(), "alpha").reasons[0]


def test_an_example_names_both_records(database: DatabaseManager) -> None:
    execute(database, KEYED, delay="-1 hour")
    reason = first_reason(database)
    assert (reason.code, reason.is_blocking) == ("waiting_for_key", True)
    with database.transaction() as cursor:
        row = cursor.execute("SELECT min(id), max(id) FROM processing_queue").fetchone()
    assert row is not None
    first, second = row
    assert f"record {second} waits for record {first}, which is pending" in reason.text
    assert reason.details == {"record_id": first, "status": "pending"}


def test_a_flow_without_due_records_waits_for_time(database: DatabaseManager) -> None:
    assert first_reason(database).code == "nothing_due"


def test_a_flow_with_a_record_that_can_be_claimed_waits_for_a_claim(database: DatabaseManager) -> None:
    execute(database, KEYED, delay="-1 hour")
    filling.add_records(database, 1)
    assert first_reason(database).code == "work_waits"


def test_a_record_that_became_due_a_second_ago_can_be_claimed(database: DatabaseManager) -> None:
    execute(database, "UPDATE processing_queue SET scheduled_at = now() - interval '1 s'")
    execute(database, KEYED, delay="-1 hour")
    assert first_reason(database).code == "work_waits"
