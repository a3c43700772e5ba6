"""By halving batches, the queue finds a record that kills its process. This record gets crash strikes and fails. The
other records of its batch are charged no attempt and get no crash strike."""

import pytest

from queue_store.database.statements import sql
from queue_store.liveness.rescue import NOTHING_IN_FLIGHT
from queue_store.runs.run import Run
from tests.support.store import Store, completed, ids

BATCH_SIZE = 500


def die(store: Store, run: Run) -> None:
    """The whole worker is gone, and nobody knows which record was in flight."""
    store.rescue.lost([run.worker_process_id])


def work_until_done(store: Store, culprits: set[int]) -> int:
    """Processes all records. The worker process dies at each record of `culprits`. Returns the number of deaths."""
    deaths = 0
    while True:
        run = store.run(batch_size=BATCH_SIZE)
        with_work = batch = run.begin()
        if not with_work:
            return deaths
        while batch and not culprits & set(ids(batch)):
            run.write(completed(batch))
            batch = run.claim()
        if batch:
            deaths += 1
            die(store, run)
        else:
            run.end()
        store.close()


@pytest.mark.parametrize("position", [0, 249, 499])
def test_the_culprit_among_500_is_alone_after_eleven_deaths_at_most(store: Store, position: int) -> None:
    expected = store.enqueue(500)
    culprit = expected[position]
    deaths = work_until_done(store, {culprit})
    strikes = store.settings.max_crash_strikes
    assert deaths - (strikes - 1) <= 11
    assert store.statuses() == {"completed": 499, "failed": 1}
    strike = "this record (crash strike 3 of 3)."
    row = store.query(
        "SELECT id, crash_strikes, retry_count, error_message FROM processing_queue WHERE status = 'failed'"
    )
    assert row == [(culprit, 3, 0, f"The worker process or its connection died while it worked on {strike}")]


def test_the_innocent_are_charged_nothing(store: Store) -> None:
    expected = store.enqueue(100)
    work_until_done(store, {expected[70]})
    assert store.query(
        "SELECT DISTINCT retry_count, crash_strikes, batch_limit FROM processing_queue WHERE status = 'completed'"
    ) == [(0, 0, None)]


def test_two_culprits_are_found(store: Store) -> None:
    expected = store.enqueue(64)
    culprits = {expected[3], expected[50]}
    work_until_done(store, culprits)
    assert {
        row[0] for row in store.query("SELECT id FROM processing_queue WHERE status = 'failed'")
    } == culprits


def test_the_record_that_was_in_hand_is_charged_and_nobody_is_suspected(store: Store) -> None:
    expected = store.enqueue(10)
    run = store.run()
    run.begin()
    rescued = store.rescue.lost([run.worker_process_id], {run.worker_process_id: expected[4]})
    assert rescued.struck_ids == [expected[4]]
    assert store.query("SELECT id FROM processing_queue WHERE batch_limit IS NOT NULL") == [(expected[4],)]
    assert store.query("SELECT record_id, outcome, claim_number FROM record_attempts") == [
        (expected[4], "crashed", 1)
    ]


def test_strikes_survive_a_reset_and_the_next_one_is_the_last(store: Store) -> None:
    (record_id,) = store.enqueue(1)
    work_until_done(store, {record_id})
    with store.database.transaction() as cursor:
        cursor.execute(sql("arrows/reset"), {"ids": [record_id]})
    assert work_until_done(store, {record_id}) == 1
    assert store.query("SELECT status, crash_strikes FROM processing_queue") == [("failed", 4)]


def test_suspects_do_not_wait_until_nothing_else_is_due(store: Store) -> None:
    """Each run claims suspects first, even if the backlog of the flow is endless."""
    suspects = store.enqueue(4)
    dead = store.run()
    dead.begin()
    die(store, dead)
    store.enqueue(1_000, priority=0)
    batch = store.run().begin()
    assert ids(batch) == suspects[:2]
    assert [record.payload for record in batch] == [{"n": 1}, {"n": 2}]


def test_many_suspects_do_not_wait_one_behind_each_batch_of_a_backlog(store: Store) -> None:
    """When a run begins, and at each aging claim, the run makes up to ten claims of suspects in a row. One claim in
    twenty is an aging claim, which begins with the priority whose oldest record has waited longest."""
    suspects = store.enqueue(25)
    store.execute("UPDATE processing_queue SET batch_limit = 1")
    store.enqueue(1_000, priority=0)
    run = store.run()
    records, sizes = run.begin(), []
    while suspects:
        sizes.append(len(records))
        suspects = [record_id for record_id in suspects if record_id not in ids(records)]
        _, records = run.exchange(completed(records))
        records = records or run.claim()
    assert sizes == [1] * 10 + [10] * 9 + [1] * 10 + [10] * 10 + [1] * 5


def test_suspects_of_other_groups_do_not_wait_for_a_blocked_one(store: Store) -> None:
    first, blocked = store.enqueue(2, order_key="tenant")
    (other,) = store.enqueue(1)
    store.execute("UPDATE processing_queue SET batch_limit = 9 WHERE id = %s", (blocked,))
    store.execute("UPDATE processing_queue SET batch_limit = 1 WHERE id = %s", (other,))
    store.execute(
        "UPDATE processing_queue SET scheduled_at = now() + interval '1 hour' WHERE id = %s", (first,)
    )
    assert ids(store.run().begin()) == [other]


def test_released_suspects_stay_suspects(store: Store) -> None:
    store.enqueue(4)
    dead, second = store.run(), store.run()
    dead.begin()
    die(store, dead)
    batch = second.begin()
    second.release(batch)
    assert store.value("SELECT count(*) FROM processing_queue WHERE batch_limit = 2") == 4


def test_the_last_orphan_that_is_left_over_is_not_a_lone_one(store: Store) -> None:
    """The dead run has two records, and another session has locked one of them. So the first rescue gives back only the
    other record, and the second rescue gives back the locked one. Neither rescue treats its record as the run's only
    record."""
    first, second = store.enqueue(2)
    dead = store.run()
    dead.begin()
    with store.held().transaction() as cursor:
        cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR UPDATE", (first,))
        rescued = store.rescue.lost([dead.worker_process_id])
        assert (rescued.pending_ids, rescued.struck_ids) == ([second], [])
    rescued = store.rescue.sweep()
    assert (rescued.pending_ids, rescued.struck_ids) == ([first], [])
    assert store.query("SELECT DISTINCT crash_strikes, batch_limit FROM processing_queue") == [(0, 1)]


def test_rescuers_of_one_run_do_not_wait_for_each_other(store: Store) -> None:
    expected = store.enqueue(2)
    dead = store.run()
    dead.begin()
    parameters = {
        "flow_instance_id": dead.flow_instance_id,
        "max_crash_strikes": 3,
        "max_unfinished_claims": 5,
    }
    with store.held().transaction() as cursor:
        cursor.execute(
            sql("liveness/declare_run_dead"),
            parameters | {"suspect_record_id": None, "error_message": "gone", "lease_seconds": None},
        )
    with store.held().transaction() as cursor:
        assert len(cursor.execute(sql("arrows/rescue"), parameters).fetchall()) == 2
        assert store.rescue.sweep().record_count == 0
    assert store.query("SELECT id FROM processing_queue WHERE crash_strikes = 0 ORDER BY 1") == [
        (record_id,) for record_id in expected
    ]


def test_a_lone_record_that_was_finished_but_not_written_is_not_struck_at_once(store: Store) -> None:
    [expected] = store.enqueue(1)
    run = store.run()
    run.begin()
    rescued = store.rescue.lost([run.worker_process_id], {run.worker_process_id: NOTHING_IN_FLIGHT})
    assert (rescued.pending_ids, rescued.struck_ids) == ([expected], [])
    assert store.query("SELECT crash_strikes, batch_limit FROM processing_queue") == [(0, 1)]


def test_what_kills_its_process_after_its_handler_returned_is_found_all_the_same(store: Store) -> None:
    store.enqueue(1)
    deaths = 0
    while store.statuses() == {"pending": 1}:
        run = store.run()
        assert run.begin()
        deaths += 1
        store.rescue.lost([run.worker_process_id], {run.worker_process_id: NOTHING_IN_FLIGHT})
        store.close()
    assert deaths == store.settings.max_crash_strikes + 1
    assert store.statuses() == {"failed": 1}


def test_several_with_nothing_in_hand_become_suspects(store: Store) -> None:
    store.enqueue(8)
    run = store.run()
    run.begin()
    rescued = store.rescue.lost([run.worker_process_id], {run.worker_process_id: NOTHING_IN_FLIGHT})
    assert rescued.struck_ids == []
    assert store.query("SELECT DISTINCT batch_limit FROM processing_queue") == [(4,)]


def test_the_record_that_a_stopping_run_leaves_is_no_suspect(store: Store) -> None:
    store.enqueue(1)
    run = store.run()
    run.begin()
    store.execute("UPDATE flow_execution_logs SET state = 'stopping'")
    store.rescue.lost([run.worker_process_id], {run.worker_process_id: NOTHING_IN_FLIGHT})
    assert store.query("SELECT status, crash_strikes, batch_limit FROM processing_queue") == [
        ("pending", 0, None)
    ]
