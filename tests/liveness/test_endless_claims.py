"""After several claims without an outcome, a record is claimed alone. Each further claim that ends without an outcome
then adds a crash strike."""

from typing import Any

import pytest

from queue_store.database.statements import sql
from queue_store.explain.explain import explain_record
from queue_store.liveness.rescue import Rescue
from queue_store.records.record import Record, Snooze
from queue_store.runs.run import Run
from tasks.monitoring.rules.flow_rules import endless_claims
from tasks.monitoring.snapshot import take_snapshot
from tests.support import filling
from tests.support.store import Store, completed, failed, ids

LIMIT = 5
LAST_ATTEMPT = "SELECT exception_type, error_message FROM record_attempts ORDER BY claim_number DESC LIMIT 1"


def snoozed(records: list[Record]) -> list[Snooze]:
    return [Snooze(record, 0) for record in records]


def columns(store: Store, record_id: int) -> Any:
    [row] = store.query(
        "SELECT status, unfinished_claims, crash_strikes, batch_limit, retry_count FROM processing_queue"
        " WHERE id = %s",
        (record_id,),
    )
    return row


def claim_in_vain(store: Store, *, leaves_unfinished: bool = True) -> Run:
    """Returns a run that ended because of an error while its records were in flight."""
    run = store.run(batch_size=100)
    run.begin()
    run.end("the connection broke", leaves_unfinished=leaves_unfinished)
    store.rescue.sweep()
    return run


def test_after_five_in_a_row_it_is_claimed_alone_and_then_charged(store: Store) -> None:
    first, second = store.enqueue(2)
    for count in range(1, LIMIT):
        claim_in_vain(store)
        assert columns(store, first) == ("pending", count, 0, None, 0)
    claim_in_vain(store)
    assert columns(store, first) == ("pending", LIMIT, 0, 1, 0)
    assert columns(store, second) == ("pending", LIMIT, 0, 1, 0)
    for strike in (1, 2):
        run = store.run(batch_size=100)
        assert ids(run.begin()) == [first]
        run.end("the connection broke", leaves_unfinished=True)
        store.rescue.sweep()
        assert columns(store, first) == ("pending", LIMIT + strike, strike, 1, 0)
    run = store.run(batch_size=100)
    claimed = run.begin()
    run.end("the connection broke", leaves_unfinished=True)
    store.rescue.sweep()
    assert ids(claimed) == [first]
    assert columns(store, first)[0] == "failed"
    assert store.query(LAST_ATTEMPT) == [
        (
            "ClaimWithoutOutcome",
            "Its run ended again without an outcome of this record, which was claimed alone (crash strike 3 of 3). "
            "The run said: the connection broke",
        )
    ]
    assert columns(store, second) == ("pending", LIMIT, 0, 1, 0)


@pytest.mark.parametrize("outcomes", [completed, failed, snoozed])
def test_any_outcome_begins_anew(store: Store, outcomes: Any) -> None:
    [record] = store.enqueue(1)
    for _ in range(LIMIT):
        claim_in_vain(store)
    run = store.run(batch_size=100)
    run.write(outcomes(run.begin()))
    assert columns(store, record)[1] == 0
    assert columns(store, record)[3] is None


def test_a_cancel_by_the_owner_is_an_outcome(store: Store) -> None:
    [record] = store.enqueue(1)
    claim_in_vain(store)
    run = store.run()
    batch = run.begin()
    store.execute("INSERT INTO cancel_requests (record_id, requested_by) VALUES (%s, 'me')", (record,))
    assert run.cancel(batch) == [record]
    assert columns(store, record)[:2] == ("cancelled", 0)


def test_a_release_and_a_restart_of_the_server_do_not_count(store: Store) -> None:
    [record] = store.enqueue(1)
    run = store.run()
    run.release(run.begin())
    run.end()
    claim_in_vain(store, leaves_unfinished=False)
    assert columns(store, record) == ("pending", 0, 0, None, 0)


def test_a_run_that_was_stopping_does_not_count(store: Store) -> None:
    """A run is stopping, for example, during a deployment, which kills the process if the run does not end in time."""
    [record] = store.enqueue(1)
    run = store.run()
    run.begin()
    store.execute("UPDATE flow_execution_logs SET state = 'stopping'")
    store.rescue.lost([run.worker_process_id])
    assert columns(store, record)[:2] == ("pending", 0)


def test_records_that_were_rescued_as_overdue_count(store: Store) -> None:
    [record] = store.enqueue(1)
    for count in range(1, LIMIT + 1):
        run = store.run()
        run.begin()
        store.execute("UPDATE processing_queue SET claimed_at = now() - interval '1 day'")
        Rescue(store.database, store.settings).sweep_overdue(3600)
        store.execute("UPDATE flow_execution_logs SET state = 'ended', finished_at = now()")
        assert columns(store, record)[:2] == ("pending", count)
    assert columns(store, record)[3] == 1


def test_check_and_explain_name_it(store: Store) -> None:
    [record] = store.enqueue(1)
    for _ in range(LIMIT):
        claim_in_vain(store)
    [finding] = endless_claims(take_snapshot(store.database, store.settings))
    assert (finding.code, finding.flow_name, str(record) in finding.message) == (
        "endless_claims",
        "sample",
        True,
    )
    with store.database.transaction() as cursor:
        texts = [reason.text for reason in explain_record(cursor, store.settings, record).reasons]
    assert any("last 5 claims ended without an outcome" in text for text in texts)


def test_monitoring_finds_them_without_walking_over_all_that_runs(store: Store) -> None:
    """A walk over the index of processing records can be long. This index keeps an entry for each record that was
    claimed since the last vacuum."""
    filling.add_processing(store.database, 5_000, filling.add_run(store.database))
    with store.database.transaction() as cursor:
        cursor.execute("ANALYZE processing_queue")
        cursor.execute(b"EXPLAIN " + sql("readings/endless_claims"), {"max_unfinished_claims": LIMIT})
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "processing_queue_isolated" in plan
    assert "processing_queue_processing" not in plan
