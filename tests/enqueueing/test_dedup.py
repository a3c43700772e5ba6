"""At most one unfinished record of a flow has a given dedup_key. The producer chooses what happens to a second
record with this key."""

import threading
from typing import Any

import pytest

from queue_store import (
    DatabaseManager,
    DistributedProcessor,
    DuplicateRecordError,
    NewRecord,
    enqueue,
    enqueue_many,
)
from queue_store.database.statements import NamedStatement
from queue_store.enqueueing import OnDuplicate, connections
from tests.support.flow_rows import register_flow, start_processing
from tests.support.locks import wait_until_blocked


@pytest.fixture
def processor(database: DatabaseManager) -> DistributedProcessor:
    register_flow(database, "send_invoice")
    register_flow(database, "send_reminder")
    return DistributedProcessor(database)


def payloads(processor: DistributedProcessor) -> dict[str, Any]:
    with processor.database.transaction() as cursor:
        return dict(cursor.execute("SELECT dedup_key, payload FROM processing_queue ORDER BY id").fetchall())


def keyed(*keys: str) -> list[NewRecord]:
    return [NewRecord({"n": n}, dedup_key=key) for n, key in enumerate(keys)]


def test_a_second_record_with_the_key_is_refused_with_the_id_of_the_first(
    processor: DistributedProcessor,
) -> None:
    first = processor.enqueue("send_invoice", {}, dedup_key="order 1")
    with pytest.raises(DuplicateRecordError, match=f"record {first.id} .*same dedup_key"):
        processor.enqueue("send_invoice", {}, dedup_key="order 1")


def test_skip_returns_the_first_ones_id_and_keeps_its_payload(processor: DistributedProcessor) -> None:
    first = processor.enqueue("send_invoice", {"n": 1}, dedup_key="order 1", on_duplicate="skip")
    second = processor.enqueue("send_invoice", {"n": 2}, dedup_key="order 1", on_duplicate="skip")
    assert (first.is_duplicate, second.is_duplicate, second.id) == (False, True, first.id)
    assert payloads(processor) == {"order 1": {"n": 1}}


def test_replace_changes_the_payload_of_a_pending_record(processor: DistributedProcessor) -> None:
    first = processor.enqueue("send_invoice", {"n": 1}, dedup_key="order 1")
    second = processor.enqueue("send_invoice", {"n": 2}, dedup_key="order 1", on_duplicate="replace")
    assert second.id == first.id
    assert payloads(processor) == {"order 1": {"n": 2}}


def test_replace_is_refused_while_the_record_runs(processor: DistributedProcessor) -> None:
    first = processor.enqueue("send_invoice", {"n": 1}, dedup_key="order 1")
    start_processing(processor.database, first.id)
    with pytest.raises(DuplicateRecordError, match="running"):
        processor.enqueue("send_invoice", {"n": 2}, dedup_key="order 1", on_duplicate="replace")
    done = processor.enqueue_many("send_invoice", keyed("order 1", "order 2"), on_duplicate="replace")
    assert (done.duplicate_positions, done.running_positions, done.inserted_count) == ([0], [0], 1)
    assert payloads(processor)["order 1"] == {"n": 1}


def test_the_key_is_free_again_when_its_record_is_finished(processor: DistributedProcessor) -> None:
    first = processor.enqueue("send_invoice", {}, dedup_key="order 1")
    processor.cancel([first.id], actor="test")
    assert not processor.enqueue("send_invoice", {}, dedup_key="order 1").is_duplicate


def test_two_flows_may_use_the_same_key(processor: DistributedProcessor) -> None:
    processor.enqueue("send_invoice", {}, dedup_key="order 1")
    assert not processor.enqueue("send_reminder", {}, dedup_key="order 1").is_duplicate


def test_a_bulk_says_which_rows_were_duplicates_of_what(processor: DistributedProcessor) -> None:
    first = processor.enqueue("send_invoice", {"n": "first"}, dedup_key="b")
    done = processor.enqueue_many(
        "send_invoice", [*keyed("a", "b", "a"), {"n": "no key"}], on_duplicate="skip", with_ids=True
    )
    assert (done.inserted_count, done.duplicate_positions) == (2, [1, 2])
    assert done.ids is not None
    assert done.ids[1] == first.id
    assert done.ids[2] == done.ids[0]
    assert payloads(processor) == {"b": {"n": "first"}, "a": {"n": 0}, None: {"n": "no key"}}


def test_a_bulk_that_replaces_lets_the_last_row_with_a_key_win(processor: DistributedProcessor) -> None:
    processor.enqueue("send_invoice", {"n": "first"}, dedup_key="b")
    done = processor.enqueue_many("send_invoice", keyed("a", "b", "a", "b"), on_duplicate="replace")
    assert (done.inserted_count, done.duplicate_positions, done.running_positions) == (1, [1, 2, 3], [])
    assert payloads(processor) == {"b": {"n": 3}, "a": {"n": 2}}


@pytest.mark.parametrize("with_ids", [False, True])
def test_duplicates_are_found_over_many_chunks(processor: DistributedProcessor, with_ids: bool) -> None:
    """A bulk call copies its first chunks directly. From the first duplicate on, it looks for duplicates before each
    COPY."""
    keys = [f"k{n}" for n in range(9_000)] + [f"k{n}" for n in range(8_000, 10_000)]
    done = processor.enqueue_many("send_invoice", keyed(*keys), on_duplicate="skip", with_ids=with_ids)
    assert (done.inserted_count, done.duplicate_positions) == (10_000, list(range(9_000, 10_000)))
    if with_ids:
        with processor.database.transaction() as cursor:
            stored = dict(cursor.execute("SELECT dedup_key, id FROM processing_queue").fetchall())
        assert done.ids == [stored[key] for key in keys]


def test_the_ids_follow_the_callers_order_beside_duplicates(processor: DistributedProcessor) -> None:
    twin = processor.enqueue("send_invoice", {}, dedup_key="m").id
    rows = [*keyed("z", "m", "a", "z"), {"n": "without a key"}]
    done = processor.enqueue_many("send_invoice", rows, on_duplicate="skip", with_ids=True)
    assert done.ids is not None
    z, m, a, again, without = done.ids
    assert (m, again) == (twin, z)
    assert twin < z < a < without
    assert (done.inserted_count, done.duplicate_positions) == (3, [1, 3])


@pytest.mark.parametrize("first", [[], ["twin"]])
def test_two_bulks_with_the_same_keys_in_another_order_do_not_deadlock(
    processor: DistributedProcessor, first: list[str]
) -> None:
    """Postgres ends the COPY because of the deadlock. The bulk call then enqueues its rows in the order of their keys.
    If `first` names a key, the bulk call finds a duplicate before the deadlock."""
    processor.enqueue("send_invoice", {"n": "twin"}, dedup_key="twin")
    results: list[Any] = []

    def bulk() -> None:
        rows = keyed(*first, "x", "y", "z")
        with processor.database.transaction() as cursor:
            # A session looks for a deadlock only once: when it has waited for `deadlock_timeout`. At that moment, the
            # other session must be waiting, too.
            cursor.execute("SET LOCAL deadlock_timeout = '2s'")
            results.append(enqueue_many(cursor, "send_invoice", rows, on_duplicate="skip"))

    other = threading.Thread(target=bulk)
    with processor.database.transaction() as cursor:
        cursor.execute("SET LOCAL deadlock_timeout = '60s'")  # so that Postgres ends the other session
        enqueue(cursor, "send_invoice", {"n": "ours"}, dedup_key="y")
        other.start()
        wait_until_blocked(processor.database)
        enqueue(cursor, "send_invoice", {"n": "ours"}, dedup_key="x")
    other.join()
    assert results[0].duplicate_positions == list(range(len(first) + 2))
    ours = {"n": "ours"}
    assert payloads(processor) == {"twin": {"n": "twin"}, "x": ours, "y": ours, "z": {"n": len(first) + 2}}


def test_a_key_that_is_taken_while_a_bulk_skips_is_a_duplicate_too(processor: DistributedProcessor) -> None:
    """The key `taken` is not visible yet when the bulk call looks for duplicates, so the COPY fails on that key."""
    twin = processor.enqueue("send_invoice", {"n": "twin"}, dedup_key="twin").id
    results: list[Any] = []

    def bulk() -> None:
        rows = keyed("twin", "taken", "new")
        results.append(processor.enqueue_many("send_invoice", rows, on_duplicate="skip", with_ids=True))

    rival = threading.Thread(target=bulk)
    with processor.database.transaction() as cursor:
        taken = enqueue(cursor, "send_invoice", {"n": "taken"}, dedup_key="taken").id
        rival.start()
        wait_until_blocked(processor.database)
    rival.join()
    assert results[0].duplicate_positions == [0, 1]
    assert results[0].ids[:2] == [twin, taken]
    assert payloads(processor) == {"twin": {"n": "twin"}, "taken": {"n": "taken"}, "new": {"n": 2}}


def test_a_bulk_that_raises_names_the_key_and_writes_nothing(processor: DistributedProcessor) -> None:
    with pytest.raises(DuplicateRecordError, match="order 2"):
        processor.enqueue_many("send_invoice", keyed("order 1", "order 2", "order 2"))
    assert payloads(processor) == {}


@pytest.mark.parametrize(("on_duplicate", "stored"), [("skip", {"n": 1}), ("replace", {"n": 2})])
@pytest.mark.parametrize("is_bulk", [False, True])
def test_two_sessions_at_the_same_time_make_one_record(
    processor: DistributedProcessor, on_duplicate: OnDuplicate, stored: object, is_bulk: bool
) -> None:
    """The second session waits until the first one commits. Then the second session finds the first session's record,
    which has the same key. This record was not visible when the statement of the second session began."""
    results: list[Any] = []

    def second() -> None:
        with processor.database.transaction() as cursor:
            if is_bulk:
                rows = [NewRecord({"n": 2}, dedup_key="order 1")]
                done = enqueue_many(cursor, "send_invoice", rows, on_duplicate=on_duplicate, with_ids=True)
                results.append((done.ids, done.duplicate_positions))
            else:
                one = enqueue(
                    cursor, "send_invoice", {"n": 2}, dedup_key="order 1", on_duplicate=on_duplicate
                )
                results.append(([one.id], [0] if one.is_duplicate else []))

    rival = threading.Thread(target=second)
    with processor.database.transaction() as cursor:
        first = enqueue(cursor, "send_invoice", {"n": 1}, dedup_key="order 1")
        rival.start()
        wait_until_blocked(processor.database)
    rival.join()
    assert results == [([first.id], [0])]
    assert payloads(processor) == {"order 1": stored}


def test_the_twin_that_held_the_key_may_be_rolled_back(processor: DistributedProcessor) -> None:
    results: list[bool] = []

    def second() -> None:
        results.append(processor.enqueue("send_invoice", {"n": 2}, dedup_key="order 1").is_duplicate)

    rival = threading.Thread(target=second)
    with processor.database.hold(with_sqlalchemy=True) as held:
        transaction = held.sqlalchemy.begin()
        enqueue(held.sqlalchemy, "send_invoice", {"n": 1}, dedup_key="order 1")
        rival.start()
        wait_until_blocked(processor.database)
        transaction.rollback()
    rival.join()
    assert results == [False]
    assert payloads(processor) == {"order 1": {"n": 2}}


@pytest.mark.parametrize("ended", ["completed", "cancelled"])
def test_a_twin_that_ends_while_a_bulk_replaces_leaves_room_for_the_new_record(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch, ended: str
) -> None:
    """The record `twin` ends between two statements: the first finds the duplicates, and the second replaces
    their payloads."""
    twin = processor.enqueue("send_invoice", {"n": "old"}, dedup_key="twin").id
    processor.enqueue("send_invoice", {"n": "old"}, dedup_key="other")
    start_processing(processor.database, twin)
    execute = connections._Door.execute

    def end_first(door: Any, query: NamedStatement) -> Any:
        if query.name == "enqueueing/replace_staging":
            with processor.database.transaction() as cursor:
                cursor.execute(
                    "UPDATE processing_queue SET status = %s, completed_at = CASE %s WHEN 'completed'"
                    " THEN clock_timestamp() END WHERE id = %s",
                    (ended, ended, twin),
                )
        return execute(door, query)

    monkeypatch.setattr(connections._Door, "execute", end_first)
    rows = keyed("new", "twin", "other", "twin")
    done = processor.enqueue_many("send_invoice", rows, on_duplicate="replace", with_ids=True)
    assert (done.inserted_count, done.duplicate_positions, done.running_positions) == (2, [2, 3], [])
    assert payloads(processor) == {"new": {"n": 0}, "twin": {"n": 3}, "other": {"n": 2}}
    assert done.ids is not None
    assert done.ids[1] == done.ids[3] != twin
