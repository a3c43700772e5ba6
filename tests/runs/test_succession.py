"""A short run ends, and the next run, of another flow, begins in the same transaction. If the next run cannot begin,
the first run ends alone."""

from typing import Any

import pytest

from queue_store.runs.run import Run
from queue_store.runs.succession import exchange_or_end
from tests.support.store import Store, completed, failed

RUNS = "SELECT flow_name, state, records_completed, settled_at IS NOT NULL FROM flow_execution_logs ORDER BY started_at"
ENDED = [("sample", "ended", 2, True)]


def begun(store: Store) -> tuple[Run, Run]:
    """A run that has not begun yet, and the run that will follow it."""
    run, successor = store.run(), store.run(flow_name="other")
    run.new_successor = lambda: successor
    return run, successor


def end(run: Run, records: Any) -> None:
    exchange_or_end(run, completed(records))


def test_a_successor_has_claimed_when_the_run_before_has_ended(other: Store) -> None:
    run, successor = begun(other)
    end(run, run.begin())
    assert (run.is_ended, run.successor) == (True, successor)
    assert other.query(RUNS) == [*ENDED, ("other", "running", 0, False)]
    records = successor.begin()
    assert len(records) == successor.counts.records_claimed == 3
    end(successor, records)
    assert other.statuses() == {"completed": 5}


def test_both_happen_in_one_transaction(other: Store) -> None:
    """The successor begins after a savepoint, so its rows and the rows of the first run have different transaction ids.
    Therefore the test counts the runs that exist at COMMIT."""
    run, _ = begun(other)
    records = run.begin()
    with other.held().transaction() as cursor:
        cursor.execute("CREATE TABLE at_commit (n integer)")
        cursor.execute(
            "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            " INSERT INTO at_commit SELECT count(*) FROM flow_execution_logs; RETURN NULL; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER note AFTER INSERT OR UPDATE ON flow_execution_logs DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION note()"
        )
    try:
        end(run, records)
        assert other.query("SELECT n FROM at_commit") == [(2,), (2,)]
    finally:
        other.execute("DROP TABLE at_commit")
        other.execute("DROP FUNCTION note CASCADE")


ALONE = {
    "nothing is due": "UPDATE processing_queue SET scheduled_at = now() + interval '1 h' WHERE flow_name = 'other'",
    "the flow is paused": "UPDATE flows SET paused_at = now() WHERE flow_name = 'other'",
    "as many runs as may be": (
        "WITH rival AS (INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id)"
        " SELECT gen_random_uuid(), 'other', worker_process_id FROM worker_processes LIMIT 1)"
        " UPDATE flows SET max_runs = 1 WHERE flow_name = 'other'"
    ),
    "another batch size": "UPDATE flows SET batch_size_override = 2 WHERE flow_name = 'other'",
    "suspects": "UPDATE processing_queue SET batch_limit = 1 WHERE flow_name = 'other'",
}


@pytest.mark.parametrize("why", ALONE)
def test_the_run_ends_alone_where_its_successor_cannot_begin_like_this(other: Store, why: str) -> None:
    run, successor = begun(other)
    records = run.begin()
    other.execute(ALONE[why])
    end(run, records)
    assert (run.is_ended, run.successor, successor.is_registered) == (True, None, False)
    assert other.query(RUNS)[:1] == ENDED
    assert not other.query(
        "SELECT FROM flow_execution_logs WHERE flow_instance_id = %s", (successor.flow_instance_id,)
    )
    assert other.statuses() == {"completed": 2, "pending": 3}
    is_claimable = why in ("another batch size", "suspects")
    assert bool(other.run_unconfigured(successor.options).begin()) == is_claimable


def test_where_the_run_goes_on_nobody_succeeds_it(other: Store) -> None:
    run, _ = begun(other)
    records = run.begin()
    other.enqueue(1)
    end(run, records)
    assert (run.is_ended, run.successor) == (False, None)
    assert other.query(RUNS) == [("sample", "running", 0, False)]
    assert len(run.claim()) == 1


def test_where_an_outcome_is_refused_the_others_are_written_and_nobody_succeeds(other: Store) -> None:
    run, _ = begun(other)
    records = run.begin()
    run.release(records[:1])
    written, _ = exchange_or_end(run, completed(records))
    assert (written.refused_ids, written.completed_ids) == ([records[0].id], [records[1].id])
    assert (run.is_ended, run.successor) == (False, None)
    assert [flow_name for flow_name, *_ in other.query(RUNS)] == ["sample"]


def test_a_run_does_not_wait_for_the_flow_of_its_successor(other: Store) -> None:
    """Another session keeps the row of the successor's flow locked. If the run waited for this row, its own heartbeats
    would wait for the run."""
    run, _ = begun(other)
    records = run.begin()
    with other.held().transaction() as cursor:
        cursor.execute("SELECT FROM flows WHERE flow_name = 'other' FOR UPDATE")
        end(run, records)
    assert (run.is_ended, run.successor) == (True, None)
    assert other.query(RUNS) == ENDED


def test_outcomes_that_are_not_all_completed_end_nothing(other: Store) -> None:
    run, _ = begun(other)
    records = run.begin()
    exchange_or_end(run, [*failed(records[:1], retry_delay_seconds=0), *completed(records[1:])])
    assert (run.is_ended, run.successor) == (False, None)
