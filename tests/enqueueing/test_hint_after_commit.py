"""After the COMMIT of a session, one hint is sent for each flow of its new records. Without a COMMIT, no hint is
sent."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from queue_store import (
    DatabaseManager,
    DistributedProcessor,
    QueueStoreError,
    aenqueue,
    enqueue,
    enqueue_many,
    send_hints,
)
from tests.support.flow_rows import register_flow


class Hints:
    """Remembers each hint, and how many records were visible when the hint was sent."""

    def __init__(self, visible: Callable[[], int]) -> None:
        self.sent: list[tuple[str, str, int]] = []
        self._visible = visible

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        self.sent.append((flow_name, celery_queue, self._visible()))
        return True


@pytest.fixture
def hints(database: DatabaseManager) -> Hints:
    register_flow(database, "survey", "slow")
    register_flow(database, "letters", "quick")

    def visible() -> int:
        with database.transaction() as cursor:
            row = cursor.execute("SELECT count(*) FROM processing_queue").fetchone()
        return row[0] if row else 0

    return Hints(visible)


def test_one_hint_for_each_flow_after_the_commit(database: DatabaseManager, hints: Hints) -> None:
    with Session(database.engine) as session:
        enqueue(session, "survey", {}, hint_sender=hints)
        enqueue_many(session, "survey", [{}, {}], hint_sender=hints)
        enqueue(session, "letters", {}, hint_sender=hints)
        assert hints.sent == []
        session.commit()
        assert sorted(hints.sent) == [("letters", "quick", 4), ("survey", "slow", 4)]
        session.commit()
    assert len(hints.sent) == 2


def test_no_hint_after_a_rollback(database: DatabaseManager, hints: Hints) -> None:
    with Session(database.engine) as session:
        enqueue(session, "survey", {}, hint_sender=hints)
        session.rollback()
        enqueue(session, "letters", {}, hint_sender=hints)
        session.commit()
    assert hints.sent == [("letters", "quick", 1)]


def test_a_savepoint_is_no_commit(database: DatabaseManager, hints: Hints) -> None:
    with Session(database.engine) as session:
        with session.begin_nested():
            enqueue(session, "survey", {}, hint_sender=hints)
        assert hints.sent == []
        session.commit()
    assert hints.sent == [("survey", "slow", 1)]


def test_an_asynchronous_session_hints_without_blocking_its_loop(
    database: DatabaseManager, hints: Hints
) -> None:
    async def work() -> None:
        engine = create_async_engine(database.engine.url)
        async with AsyncSession(engine) as session:
            await aenqueue(session, "survey", {}, hint_sender=hints)
            await session.commit()
        await engine.dispose()

    asyncio.run(work())  # also waits for the loop's executor
    assert hints.sent == [("survey", "slow", 1)]


def test_a_connection_that_cannot_tell_is_refused_before_anything_is_written(
    database: DatabaseManager, hints: Hints
) -> None:
    with database.transaction() as cursor:
        with pytest.raises(QueueStoreError, match="send_hints"):
            enqueue(cursor, "survey", {}, hint_sender=hints)
        enqueued = enqueue(cursor, "survey", {})
    send_hints(hints, enqueued, enqueued)
    assert hints.sent == [("survey", "slow", 1)]


def test_the_facade_hints_after_its_own_transaction(database: DatabaseManager, hints: Hints) -> None:
    processor = DistributedProcessor(database, hint_sender=hints)
    processor.enqueue("survey", {})
    processor.enqueue_many("letters", [{}, {}])
    assert hints.sent == [("survey", "slow", 1), ("letters", "quick", 3)]


class Broken:
    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        raise ConnectionError(flow_name)


@pytest.mark.usefixtures("hints")
def test_a_sender_that_raises_breaks_no_commit_and_is_told_of(
    database: DatabaseManager, caplog: pytest.LogCaptureFixture
) -> None:
    with Session(database.engine) as session:
        enqueued = enqueue(session, "survey", {}, hint_sender=Broken())
        session.commit()
    send_hints(Broken(), enqueued)
    DistributedProcessor(database, hint_sender=Broken()).enqueue("letters", {})
    assert [record.getMessage().split(".")[0] for record in caplog.records] == [
        "no hint was sent for survey, because the hint sender raised ConnectionError",
        "no hint was sent for survey, because the hint sender raised ConnectionError",
        "no hint was sent for letters, because the hint sender raised ConnectionError",
    ]


def test_what_cannot_send_is_refused_before_anything_is_written(
    database: DatabaseManager, hints: Hints
) -> None:
    wrong: Any = hints.send  # the method, not the sender
    for refuse in (
        lambda: enqueue(Session(database.engine), "survey", {}, hint_sender=wrong),
        lambda: send_hints(wrong),
        lambda: DistributedProcessor(database, hint_sender=wrong),
    ):
        with pytest.raises(QueueStoreError, match="method has no method send"):
            refuse()
