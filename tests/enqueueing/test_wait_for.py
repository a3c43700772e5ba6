"""A producer can wait for its records. One poll asks for all awaited records, however many they are."""

import asyncio
import gc
import math
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

import processing_queue
import queue_store
from queue_store import (
    DatabaseManager,
    DatabaseUnavailableError,
    DistributedProcessor,
    FinishedRecord,
    NotFinishedError,
    QueueStoreError,
    UnknownRecordError,
    waiting,
)
from queue_store.records.record import Completed
from queue_store.runs.run import RunOptions
from tests.support.flow_rows import register_flow

LONG_SECONDS = 60
NOBODY = 2**62  # an id that no record has


@pytest.fixture
def processor(database: DatabaseManager) -> Iterator[DistributedProcessor]:
    register_flow(database, "survey")
    yield DistributedProcessor(database)
    for thread in threading.enumerate():  # otherwise, a query in progress would outlive the test's pool
        if thread.name == "queue_store wait_for":
            thread.join(timeout=LONG_SECONDS)


def complete_all(processor: DistributedProcessor) -> None:
    with processor.open_run(RunOptions("survey", 1000, 3), uuid4()) as run:
        records = run.begin()
        run.write([Completed(record, 0, 0, b'{"answer": 42}') for record in records])


def test_a_result_is_returned_when_the_record_ends(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    timer = threading.Timer(0.2, complete_all, [processor])
    timer.start()
    finished = processor.wait_for(record_id, timeout_seconds=30)
    timer.join()
    assert finished == FinishedRecord(record_id, "completed", {"answer": 42}, None)


def test_a_record_that_was_cancelled_ends_the_waiting_too(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id], actor="Olga")
    assert processor.wait_for(record_id, timeout_seconds=30).status == "cancelled"


def test_the_time_can_be_over_first(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    with pytest.raises(NotFinishedError, match=f"queuectl explain {record_id}") as caught:
        processor.wait_for(record_id, timeout_seconds=0.05)
    assert isinstance(caught.value, TimeoutError)
    with pytest.raises(NotFinishedError):
        asyncio.run(processor.wait_for_async(record_id, timeout_seconds=0.05))


def test_a_record_that_does_not_exist_is_not_waited_for(processor: DistributedProcessor) -> None:
    with pytest.raises(UnknownRecordError, match=f"no record {NOBODY}"):
        processor.wait_for(NOBODY, timeout_seconds=30)


def test_the_old_name_of_wait_for_async_warns(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id], actor="Olga")
    with pytest.warns(DeprecationWarning, match="wait_for_async"):
        awaited = processor.await_for(record_id, timeout_seconds=30)
    assert asyncio.run(awaited).status == "cancelled"
    for package in (queue_store, processing_queue):
        with pytest.warns(
            DeprecationWarning, match=f"{package.__name__}.await_for is now called wait_for_async"
        ):
            assert package.await_for is package.wait_for_async


def test_one_poll_serves_all_who_wait(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads and coroutines wait at the same time."""
    asked: list[int] = []
    look = waiting.Poll.look  # type: ignore[attr-defined]

    def counted(self: Any, asking: DatabaseManager, record_ids: list[int]) -> None:
        asked.append(len(record_ids))
        look(self, asking, record_ids)

    monkeypatch.setattr(waiting.Poll, "look", counted)
    ids = processor.enqueue_many("survey", [{}] * 100, with_ids=True).ids
    assert ids is not None

    async def some() -> list[FinishedRecord]:
        return await asyncio.gather(*(processor.wait_for_async(i, LONG_SECONDS) for i in ids[50:]))

    with ThreadPoolExecutor(51) as pool:
        waiters = [pool.submit(processor.wait_for, record_id, LONG_SECONDS) for record_id in ids[:50]]
        coroutines = pool.submit(asyncio.run, some())
        while 100 not in asked:
            assert any(not waiter.done() for waiter in waiters)
            time.sleep(0.01)
        names = [thread.name for thread in threading.enumerate()]
        assert names.count("queue_store wait_for") == 1
        complete_all(processor)
        finished = [waiter.result() for waiter in waiters] + coroutines.result()
    assert sorted(one.id for one in finished) == ids


def test_the_poll_ends_with_the_last_who_waits(processor: DistributedProcessor) -> None:
    impatient = processor.enqueue("survey", {}).id
    with pytest.raises(NotFinishedError):
        processor.wait_for(impatient, timeout_seconds=0.05)
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id], actor="Olga")
    processor.wait_for(record_id, timeout_seconds=30)
    for thread in threading.enumerate():
        if thread.name == "queue_store wait_for":
            thread.join(timeout=LONG_SECONDS)
            assert not thread.is_alive()


def test_a_database_that_goes_away_for_a_moment_is_borne(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id], actor="Olga")
    failures = [DatabaseUnavailableError("gone"), DatabaseUnavailableError("still gone")]
    transaction = processor.database.transaction

    def sometimes() -> Any:
        if failures:
            raise failures.pop()
        return transaction()

    monkeypatch.setattr(processor.database, "transaction", sometimes)
    assert processor.wait_for(record_id, timeout_seconds=30).status == "cancelled"
    assert failures == []


@pytest.mark.parametrize("record_id", [2**70, 2**63, 0, -1, "17", 1.0, True, None])
def test_what_cannot_be_an_id_harms_nobody_who_waits_already(
    processor: DistributedProcessor, record_id: Any
) -> None:
    good = processor.enqueue("survey", {}).id
    with ThreadPoolExecutor() as pool:
        waiter = pool.submit(processor.wait_for, good, LONG_SECONDS)
        with pytest.raises(UnknownRecordError, match="whole number from 1"):
            processor.wait_for(record_id, 1)
        with pytest.raises(UnknownRecordError, match="whole number from 1"):
            asyncio.run(processor.wait_for_async(record_id, 1))
        complete_all(processor)
        assert waiter.result().status == "completed"


def test_a_poll_that_died_is_started_again(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_id = processor.enqueue("survey", {}).id
    with monkeypatch.context() as patched:
        patched.setattr(threading, "excepthook", lambda *_: None)
        patched.setattr(waiting.Poll, "look", lambda *_: next(iter(())))
        with pytest.raises(NotFinishedError):
            processor.wait_for(record_id, 0.2)
    complete_all(processor)
    assert processor.wait_for(record_id, LONG_SECONDS).status == "completed"


@pytest.mark.parametrize("wrong", [float("nan"), -1, "5", True, None])
def test_what_is_no_time_is_refused(processor: DistributedProcessor, wrong: Any) -> None:
    for wait in (processor.wait_for, lambda *arguments: asyncio.run(processor.wait_for_async(*arguments))):
        with pytest.raises(QueueStoreError, match="timeout_seconds must be 0 or more seconds, not"):
            wait(NOBODY, wrong)


def test_waiting_may_have_no_end(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id], actor="Olga")
    assert processor.wait_for(record_id, timeout_seconds=math.inf).status == "cancelled"
    assert asyncio.run(processor.wait_for_async(record_id, timeout_seconds=math.inf)).status == "cancelled"


def test_a_manager_that_was_waited_with_is_not_kept(database: DatabaseManager) -> None:
    manager = DatabaseManager(settings=database.settings)
    with pytest.raises(UnknownRecordError):
        waiting.wait_for(manager, NOBODY, timeout_seconds=30)
    for thread in threading.enumerate():
        if thread.name == "queue_store wait_for":
            thread.join(timeout=LONG_SECONDS)
    manager.dispose()
    kept = weakref.ref(manager)
    del manager
    gc.collect()
    assert kept() is None
