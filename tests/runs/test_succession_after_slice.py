"""The last slice of a run ends the run and begins its successor, in the transaction that writes the slice's outcomes.
If the run cannot end or its successor cannot begin, the outcomes are written nevertheless."""

import select
from dataclasses import replace
from typing import Any

import pytest

from queue_store.database.cursors import OwnCursor
from queue_store.database.statements import sql
from queue_store.enqueueing import NewRecord
from queue_store.enqueueing.new_record import check_record
from queue_store.errors import CommitUnknownError
from queue_store.runs.express import HeldSlice, hold
from queue_store.runs.run import Run
from queue_store.runs.succession import exchange_or_end
from tests.runs.test_lost_commits import lose_the_answer
from tests.runs.test_succession import ALONE
from tests.support.store import Store, completed, failed, ids

LEASE_SECONDS = 10.0
RUNS = (
    "SELECT flow_name, state, batch_count, records_completed FROM flow_execution_logs"
    " ORDER BY started_at, flow_name DESC"
)
ENDED = ("sample", "ended", 1, 2)


def begun(store: Store, *, begins_with_slice: bool = True) -> tuple[Run, Run, HeldSlice]:
    """A run, its successor, and the run's slice, which holds all due records of the run's flow."""
    successor = store.run(flow_name="other", first_slice=3 if begins_with_slice else 0)
    run = store.run(first_slice=3)
    run.new_successor = lambda: successor
    assert run.begin() == []
    return run, successor, held(run)


def held(run: Run) -> HeldSlice:
    in_hand = hold(run, run.batch_size, LEASE_SECONDS)
    assert in_hand is not None
    return in_hand


def settle(in_hand: HeldSlice) -> None:
    written, _ = in_hand.settle(completed(in_hand.records), is_last=True)
    assert written.completed_ids == ids(in_hand.records)


def test_a_run_that_begins_with_a_slice_is_registered_and_claims_nothing(other: Store) -> None:
    run = other.run(first_slice=3)
    assert (run.begin(), run.is_registered, run.last_was_full) == ([], True, True)
    assert other.query(RUNS) == [("sample", "running", 0, 0)]
    assert other.statuses() == {"pending": 5}


def test_a_successor_begins_with_a_slice(other: Store) -> None:
    run, successor, in_hand = begun(other)
    settle(in_hand)
    assert (run.is_ended, run.successor) == (True, successor)
    assert other.query(RUNS) == [ENDED, ("other", "running", 0, 0)]
    assert successor.begin() == []
    settle(held(successor))
    assert (successor.is_ended, other.statuses()) == (True, {"completed": 5})


def test_a_successor_that_does_not_begin_with_a_slice_claims_its_first_batch(other: Store) -> None:
    run, successor, in_hand = begun(other, begins_with_slice=False)
    settle(in_hand)
    assert run.successor is successor
    records = successor.begin()
    assert len(records) == successor.counts.records_claimed == 3
    exchange_or_end(successor, completed(records))
    assert other.statuses() == {"completed": 5}


def test_all_happens_in_one_transaction(other: Store) -> None:
    _, _, in_hand = begun(other)
    other.execute("CREATE TABLE at_commit (runs bigint, completed bigint)")
    other.execute(
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO at_commit"
        " SELECT (SELECT count(*) FROM flow_execution_logs WHERE state = 'running' AND flow_name = 'other'),"
        " (SELECT count(*) FROM processing_queue WHERE status = 'completed'); RETURN NULL; END $$"
    )
    other.execute(
        "CREATE CONSTRAINT TRIGGER note AFTER UPDATE ON flow_execution_logs DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION note()"
    )
    try:
        settle(in_hand)
        assert other.query("SELECT * FROM at_commit") == [(1, 2)]
    finally:
        other.execute("DROP TABLE at_commit")
        other.execute("DROP FUNCTION note CASCADE")


NOT_WITH_A_SLICE = {why: change for why, change in ALONE.items() if why != "another batch size"}


@pytest.mark.parametrize("why", NOT_WITH_A_SLICE)
def test_the_run_ends_alone_where_its_successor_cannot_begin(other: Store, why: str) -> None:
    run, successor, in_hand = begun(other)
    other.execute(NOT_WITH_A_SLICE[why])
    settle(in_hand)
    assert (run.is_ended, run.successor, successor.is_registered) == (True, None, False)
    assert ENDED in other.query(RUNS)
    assert other.statuses() == {"completed": 2, "pending": 3}


def test_if_the_flow_of_the_successor_stays_locked_the_outcomes_are_written_and_the_run_ends_alone(
    other: Store,
) -> None:
    """Postgres ends the wait for the locked flow with an error. A rollback of the whole transaction would release the
    slice's records."""
    run, _, in_hand = begun(other)
    with other.held().transaction() as cursor:
        cursor.execute("SELECT FROM flows WHERE flow_name = 'other' FOR UPDATE")
        settle(in_hand)
    assert (run.is_ended, run.successor) == (True, None)
    assert other.query(RUNS) == [ENDED]
    assert run.held.is_invalidated  # psycopg's list of prepared statements may be wrong


@pytest.mark.parametrize("begins_with_slice", [True, False])
def test_the_error_may_arrive_while_statements_are_still_being_sent(
    other: Store, monkeypatch: pytest.MonkeyPatch, begins_with_slice: bool
) -> None:
    """psycopg reads answers even while it sends. Here the wait for the lock ends before psycopg has sent everything."""
    run, _, in_hand = begun(other, begins_with_slice=begins_with_slice)
    execute = OwnCursor.execute

    def slowly(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        if query == sql("runs/register_run"):
            select.select([], [], [], 0.2)
        return execute(cursor, query, *arguments, **options)

    monkeypatch.setattr(OwnCursor, "execute", slowly)
    with other.held().transaction() as cursor:
        cursor.execute("SELECT FROM flows WHERE flow_name = 'other' FOR UPDATE")
        settle(in_hand)
    assert (run.is_ended, run.successor) == (True, None)
    assert other.statuses() == {"completed": 2, "pending": 3}


def test_after_an_error_in_the_middle_of_a_pipeline_the_next_runs_find_their_statements(other: Store) -> None:
    """psycopg prepares a statement at its sixth execution. In each round, psycopg would prepare a different statement
    just after the error."""
    flows = ["other", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"]
    for name in flows[1:]:
        other.add_flow(name)
        other.enqueue(1, flow_name=name)
    for name in flows:
        run, successor = other.run(first_slice=3), other.run(flow_name=name)
        other.enqueue(2)
        run.new_successor = lambda successor=successor: successor
        run.begin()
        in_hand = held(run)
        with other.held().transaction() as cursor:
            cursor.execute("SELECT FROM flows WHERE flow_name = %s FOR UPDATE", (name,))
            settle(in_hand)
        run.__exit__()
        assert successor.begin()
        successor.__exit__()


@pytest.mark.parametrize("is_successor", [True, False])
def test_no_run_is_registered_for_records_that_another_run_holds(other: Store, is_successor: bool) -> None:
    """The held records are pending, so the process counts them as due when it looks for waiting flows."""
    rival = other.run(flow_name="other", first_slice=3)
    rival.begin()
    in_hand = held(rival)
    run, successor, last = begun(other)
    if is_successor:
        settle(last)
        assert run.successor is None
    assert (successor.begin(), successor.is_registered) == ([], False)
    settle(in_hand)


@pytest.mark.parametrize("is_successor", [True, False])
def test_no_run_is_registered_for_records_that_others_have_taken(other: Store, is_successor: bool) -> None:
    """Records were due when the process looked for waiting flows, but no record is due any more."""
    run, successor, last = begun(other)
    other.execute(ALONE["nothing is due"])
    if is_successor:
        settle(last)
        assert run.successor is None
    assert (successor.begin(), successor.is_registered) == ([], False)


@pytest.mark.parametrize("is_successor", [True, False])
def test_no_run_is_registered_while_processing_is_stopped(other: Store, is_successor: bool) -> None:
    run, successor, last = begun(other)
    other.execute("UPDATE queue_control SET processing_stopped_at = now()")
    try:
        if is_successor:
            settle(last)
            assert run.successor is None
        assert (successor.begin(), successor.is_registered) == ([], False)
    finally:
        other.execute("UPDATE queue_control SET processing_stopped_at = NULL")


def test_a_successor_touches_no_record_if_the_run_before_it_goes_on(other: Store) -> None:
    """A lock would set `xmax` in the row, and no slice may contain a record whose `xmax` is set."""
    _, _, in_hand = begun(other, begins_with_slice=False)
    other.enqueue(1)
    settle(in_hand)
    assert other.query("SELECT DISTINCT xmax::text FROM processing_queue WHERE flow_name = 'other'") == [
        ("0",)
    ]


def test_a_slice_with_follow_ups_does_not_end_the_run(other: Store) -> None:
    """A follow-up may be a due record of the same flow."""
    run, _, in_hand = begun(other)
    outcomes = completed(in_hand.records)
    follow_up = check_record(NewRecord({})) | {
        "flow_name": "other",
        "on_duplicate": "skip",
        "is_follow_up": True,
    }
    outcomes[0] = replace(outcomes[0], follow_ups=[follow_up])
    in_hand.settle(outcomes, is_last=True)
    assert (run.is_ended, run.has_all) == (False, True)
    exchange_or_end(run, [])
    assert run.is_ended
    assert run.successor is not None


def test_if_a_record_became_due_during_the_slice_the_run_goes_on(other: Store) -> None:
    """The transaction began before the record became due, so `now()` in the transaction is too early."""
    run, successor, in_hand = begun(other)
    other.enqueue(1)
    settle(in_hand)
    assert (run.is_ended, run.successor, successor.is_registered) == (False, None, False)
    assert [row[:2] for row in other.query(RUNS)] == [("sample", "running")]
    assert len(run.claim()) == 1


def test_if_a_record_was_not_completed_the_run_goes_on(other: Store) -> None:
    run, _, in_hand = begun(other)
    outcomes = [*failed(in_hand.records[:1], retry_delay_seconds=60), *completed(in_hand.records[1:])]
    in_hand.settle(outcomes, is_last=True)
    assert (run.is_ended, run.successor) == (False, None)


def test_a_dead_run_completes_nothing_and_nobody_succeeds_it(other: Store) -> None:
    run, _, in_hand = begun(other)
    other.execute("UPDATE flow_execution_logs SET state = 'dead', finished_at = now()")
    written, _ = in_hand.settle(completed(in_hand.records), is_last=True)
    assert written.refused_ids == ids(in_hand.records)
    assert (run.is_ended, run.successor) == (False, None)
    assert other.query(RUNS) == [("sample", "dead", 0, 0)]
    assert other.statuses() == {"pending": 5}


@pytest.mark.parametrize("has_happened", [True, False])
def test_if_the_answer_to_the_commit_is_lost_the_successor_is_in_doubt(
    other: Store, monkeypatch: pytest.MonkeyPatch, has_happened: bool
) -> None:
    run, successor, in_hand = begun(other)
    lose_the_answer(monkeypatch, has_happened=has_happened)
    with pytest.raises(CommitUnknownError):
        settle(in_hand)
    assert (run.is_ended, run.successor, successor.is_in_doubt) == (False, successor, True)
    with pytest.raises(CommitUnknownError):
        successor.begin()
    assert other.statuses() == ({"completed": 2, "pending": 3} if has_happened else {"pending": 5})
