"""An SQLAlchemy session can hold back its statements until its flush. These statements still belong to the handler's
attempt. The time limit covers them, and their errors count as the handler's errors, also for the `failed` hook."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tasks import PERMANENT, Backoff, FlowContext
from tests.support.flow_runs import Worker
from tests.support.locks import uncommitted

LIMIT_SECONDS = 1.0  # long enough for quick flushes, although they wait for the server


class Base(DeclarativeBase):
    pass


class Effect(Base):
    __tablename__ = "orm_effects"
    what: Mapped[str] = mapped_column(Text, primary_key=True)


@pytest.fixture
def effects(worker: Worker) -> Iterator[Worker]:
    worker.query("CREATE TABLE orm_effects (what text PRIMARY KEY)")
    worker.query("INSERT INTO orm_effects VALUES ('taken')")
    yield worker
    worker.query("DROP TABLE orm_effects")


def whats(worker: Worker) -> list[str]:
    return [row.what for row in worker.query("SELECT what FROM orm_effects ORDER BY what")]


def add(payload: str, session: Session) -> None:
    session.add(Effect(what=payload))


async def add_async(payload: str, session: AsyncSession) -> None:
    session.add(Effect(what=payload))


BOTH = pytest.mark.parametrize("handler", [add, add_async])


@BOTH
def test_what_the_flush_raises_decides_as_if_the_handler_had_raised_it(
    effects: Worker, handler: Callable[..., Any]
) -> None:
    rows = effects.process(
        handler, ["a", "taken", "b"], retry_on={IntegrityError: PERMANENT}, max_retries=5, backoff=Backoff.fixed(0)
    )  # fmt: skip
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert rows[1].retry_count == 1
    assert effects.query("SELECT exception_type FROM record_attempts")[0].exception_type == "IntegrityError"
    assert whats(effects) == ["a", "b", "taken"]


def add_all(records: list[FlowContext], session: Session) -> None:
    session.add_all([Effect(what=record.payload) for record in records])


async def add_all_async(records: list[FlowContext], session: AsyncSession) -> None:
    session.add_all([Effect(what=record.payload) for record in records])


@pytest.mark.parametrize("handler", [add_all, add_all_async])
def test_what_the_flush_of_a_batch_raises_is_kept_too(effects: Worker, handler: Callable[..., Any]) -> None:
    rows = effects.process(handler, ["a", "taken"], batch=True, retry_on={IntegrityError: PERMANENT})
    assert [row.status for row in rows] == ["failed", "failed"]
    assert "IntegrityError" in effects.query("SELECT exception_type FROM record_attempts")[0].exception_type
    assert whats(effects) == ["taken"]


def test_a_session_that_is_rolled_back_does_so_whether_savepoints_are_on_or_not(effects: Worker) -> None:
    def second_choice(payload: str, session: Session) -> None:
        session.add(Effect(what=payload))
        try:
            session.flush()
        except IntegrityError:
            session.rollback()
            session.add(Effect(what="second choice"))

    rows = effects.process(second_choice, ["a", "taken", "b"], max_retries=0)
    assert [row.status for row in rows] == ["completed"] * 3
    assert whats(effects) == ["a", "b", "second choice", "taken"]


@BOTH
def test_the_failed_hook_is_called_once_for_what_the_flush_raises(
    effects: Worker, handler: Callable[..., Any]
) -> None:
    errors: list[tuple[int, str]] = []

    def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
        errors.append((context.record_id, type(error).__name__))

    rows = effects.process(handler, ["a", "taken", "b"], max_retries=0, failed=failed)
    assert errors == [(rows[1].id, "IntegrityError")]


def swallow(payload: str, connection: Connection) -> None:
    try:
        connection.exec_driver_sql("SELECT 1 / 0")
    except Exception:  # noqa: BLE001
        return


def end(payload: str, connection: Connection) -> None:
    connection.rollback()


def sleep_in_a_statement(payload: str, connection: Connection) -> None:
    connection.exec_driver_sql("SELECT pg_sleep(60)")


@pytest.mark.parametrize(
    ("handler", "error_name"),
    [
        (swallow, "PermanentError"),
        (end, "ProgrammingError"),
        (sleep_in_a_statement, "TimeLimitExceededError"),
    ],
)
def test_the_failed_hook_is_called_once_wherever_the_transaction_is_lost(
    effects: Worker, handler: Callable[..., Any], error_name: str
) -> None:
    errors: list[str] = []

    def failed(context: FlowContext, error: BaseException, will_retry: bool) -> None:
        errors.append(type(error).__name__)

    rows = effects.process(handler, ["x"], max_retries=0, failed=failed, time_limit_seconds=LIMIT_SECONDS)
    assert rows[0].status == "failed"
    assert errors == [error_name]


@BOTH
def test_the_time_limit_covers_the_flush(effects: Worker, handler: Callable[..., Any]) -> None:
    """The flush waits for a row that another transaction inserted and did not commit."""
    with uncommitted(effects.services.database, "INSERT INTO orm_effects VALUES ('blocked')"):
        began = time.monotonic()
        rows = effects.process(
            handler, ["a", "blocked", "b"], max_retries=0, time_limit_seconds=LIMIT_SECONDS
        )
        assert time.monotonic() - began < 30
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert "time limit" in rows[1].error_message
