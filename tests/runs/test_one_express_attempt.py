"""If an express slice ends without an outcome for a record, every run claims that record in the normal way
from then on."""

import pytest

from queue_store.errors import DatabaseUnavailableError
from queue_store.queue_schema import in_queue_schema
from queue_store.runs.express import SUSPICIOUS_SECONDS, NotExpressError, has_died_lately, hold
from queue_store.runs.run import Run
from queue_store.runs.sessions import terminate_sessions
from tests.runs.test_express_slices import LEASE_SECONDS, begun, held
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect
from tests.support.store import Store, completed, failed, ids, store_on


def vacuum(store: Store, options: str) -> None:
    with store.held().outside_transaction() as cursor:
        cursor.execute(in_queue_schema(f"VACUUM ({options}) public.processing_queue".encode()))


def assert_not_express(run: Run) -> None:
    with pytest.raises(NotExpressError):
        hold(run, 10, LEASE_SECONDS)


def kill_the_session_of(store: Store, run: Run) -> None:
    with store.database.transaction() as cursor:
        terminate_sessions(cursor, run.flow_instance_id)


@pytest.mark.parametrize("end", ["rolled back", "let go", "killed"])
def test_a_record_has_one_express_attempt(store: Store, end: str) -> None:
    run, others = begun(store), [begun(store) for _ in range(2)]
    record_ids = store.enqueue(3)
    in_hand = held(run)
    if end == "rolled back":
        in_hand.roll_back()
    elif end == "let go":
        in_hand.settle([])
    else:
        kill_the_session_of(store, run)
    for other in others:
        assert_not_express(other)
    assert ids(others[0].claim()) == record_ids


def test_records_in_front_of_and_behind_a_marked_one_wait_for_their_turn(store: Store) -> None:
    """Express records do not overtake records that must be claimed in the normal way."""
    run, other = begun(store), begun(store)
    [marked] = store.enqueue(1)
    held(run, 1).roll_back()
    behind = store.enqueue(3)
    assert_not_express(other)
    assert ids(other.claim()) == [marked, *behind]


@pytest.mark.parametrize("options", ["ANALYZE", "FREEZE false"])
def test_a_plain_vacuum_leaves_the_mark(store: Store, options: str) -> None:
    run, other = begun(store), begun(store)
    store.enqueue(3)
    held(run).roll_back()
    vacuum(store, options)
    assert_not_express(other)


def test_a_retried_record_is_claimed_as_always(store: Store) -> None:
    run, other = begun(store), begun(store)
    store.enqueue(1)
    run.write(failed(run.claim(), retry_delay_seconds=0))
    assert_not_express(other)
    assert len(other.claim()) == 1


SUSPICIONS = ["order_key = 'k'", "retry_count = 1", "crash_strikes = 1", "unfinished_claims = 1"]


@pytest.mark.parametrize("suspicion", SUSPICIONS)
def test_a_suspect_an_ordered_and_a_failed_record_are_claimed_as_always(store: Store, suspicion: str) -> None:
    run = begun(store)
    store.enqueue(1)
    store.execute(f"UPDATE processing_queue SET {suspicion} WHERE status = 'pending'")  # noqa: S608
    assert_not_express(run)
    assert len(run.claim()) == 1


def test_a_record_of_limited_batches_is_not_held(store: Store) -> None:
    run = begun(store)
    store.enqueue(1)
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE status = 'pending'")
    assert hold(run, 10, LEASE_SECONDS) is None
    assert len(run.claim()) == 1


def test_where_vacuum_froze_the_mark_the_death_of_the_run_is_remembered(store: Store) -> None:
    """A record that kills its process has at most one express attempt in ten minutes, however often vacuum runs."""
    run, other = begun(store), begun(store)
    record_ids = store.enqueue(3)
    held(run)
    kill_the_session_of(store, run)
    assert not has_died_lately(other)
    store.rescue.lost([run.worker_process_id])
    vacuum(store, "FREEZE")
    assert has_died_lately(other)
    assert ids(other.claim()) == record_ids
    store.execute(
        "UPDATE flow_execution_logs SET started_at = started_at - make_interval(secs => %(seconds)s),"
        " finished_at = finished_at - make_interval(secs => %(seconds)s)",
        {"seconds": SUSPICIOUS_SECONDS},
    )
    assert not has_died_lately(other)


def test_the_death_of_a_run_of_another_flow_changes_nothing(store: Store) -> None:
    store.add_flow("other")
    run = begun(store)
    store.enqueue(1, flow_name="other")
    stranger = store.run(flow_name="other")
    stranger.begin()
    store.rescue.lost([stranger.worker_process_id])
    assert not has_died_lately(run)


def test_a_deadly_record_is_found_as_always_after_its_express_attempt(store: Store) -> None:
    """The first death happens in a slice, and is not charged. From then on, the record is claimed in the normal way. It
    fails after three more deaths."""
    first = begun(store)
    [deadly, *others] = store.enqueue(3)
    in_hand = held(first)
    assert ids(in_hand.records) == [deadly, *others]
    for number in range(1, 5):
        run = first if number == 1 else store.run()
        if number > 1:
            batch = run.begin()
            assert batch[0].id == deadly
        kill_the_session_of(store, run)
        store.rescue.lost([run.worker_process_id], {run.worker_process_id: deadly})
    assert store.status(deadly) == "failed"
    assert [store.status(i) for i in others] == ["pending", "pending"]


@direct_only
def test_a_session_that_freezes_in_a_slice_is_ended_by_the_server(own_database_url: str) -> None:
    manager = connect(own_database_url)
    with store_on(manager) as store:
        store.add_flow()
        run, other = begun(store), begun(store)
        record_ids = store.enqueue(2)
        in_hand = hold(run, 10, 1.0)
        assert in_hand is not None
        waiting = store.held()
        with waiting.transaction() as cursor:  # waits until the server has ended the session
            cursor.execute("SET LOCAL lock_timeout = '30s'")
            cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR UPDATE", (record_ids[0],))
        assert ids(other.claim()) == record_ids
        with pytest.raises(DatabaseUnavailableError):
            in_hand.settle(completed(in_hand.records))
    manager.dispose()


def test_the_timeout_of_a_slice_ends_with_its_transaction(store: Store) -> None:
    run = begun(store)
    store.enqueue(1)
    in_hand = held(run)
    driver = run.held.driver
    assert driver.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("10s",)
    in_hand.settle(completed(in_hand.records))
    with run.held.transaction() as cursor:
        assert cursor.execute("SHOW idle_in_transaction_session_timeout").fetchone() != ("10s",)


@pytest.mark.parametrize("way", ["completes", "claims"])
def test_a_replaced_payload_is_not_taken_for_the_one_of_before(store: Store, way: str) -> None:
    """The session is lost, the producer replaces the payload, and then the run tries again to write the outcome."""
    run = begun(store)
    record_ids = store.enqueue(2)
    in_hand = held(run)
    kill_the_session_of(store, run)
    store.execute("UPDATE processing_queue SET payload = '{}' WHERE id = %s", (record_ids[0],))
    with pytest.raises(DatabaseUnavailableError):
        in_hand.settle(completed(in_hand.records))
    run.reopen()
    first, second = in_hand.records
    if way == "completes":
        written, _ = in_hand.settle_again(completed([first, second]))
        assert (written.completed_ids, written.refused_ids) == (record_ids[1:], record_ids[:1])
    else:
        assert in_hand.settle_again([], rest=[first, second])[1] == set(record_ids[1:])
    assert store.status(record_ids[0]) == "pending"


def test_a_record_that_somebody_else_has_in_hand_is_not_written_again(store: Store) -> None:
    run, other = begun(store), begun(store)
    record_ids = store.enqueue(2)
    in_hand = held(run)
    kill_the_session_of(store, run)
    assert ids(other.claim()) == record_ids
    run.__exit__()
    run.reopen()
    written, claimed_ids = in_hand.settle_again(completed(in_hand.records[:1]), in_hand.records[1:])
    assert (written.completed_ids, claimed_ids) == ([], set())


@pytest.mark.parametrize("has_happened", [True, False])
def test_a_lost_commit_is_looked_up_and_written_once(store: Store, has_happened: bool) -> None:
    run = begun(store)
    record_ids = store.enqueue(4)
    in_hand = held(run)
    records = in_hand.records
    outcomes = [*completed(records[:2]), *failed(records[2:3])]
    if has_happened:
        in_hand.settle(outcomes, rest=records[3:])
    else:
        in_hand.roll_back()
    counted = store.value("SELECT sum(claimed) FROM rollup_deltas")
    written, claimed_ids = in_hand.settle_again(outcomes, rest=records[3:])
    assert (written.completed_ids, written.failed_ids) == (record_ids[:2], record_ids[2:3])
    assert (written.refused_ids, claimed_ids) == ([], set(record_ids[3:]))
    assert store.value("SELECT sum(claimed) FROM rollup_deltas") == (counted if has_happened else counted + 4)
    assert run.write(completed(records[3:])).completed_ids == record_ids[3:]
