"""One record takes one statement, many records take bounded memory, and a producer's rights suffice."""

import tracemalloc
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from queue_store import (
    DatabaseManager,
    NewRecord,
    PayloadRejectedError,
    QueueStoreError,
    UnknownFlowError,
    enqueue,
    enqueue_many,
)
from queue_store.database.statements import sql
from queue_store.queue_schema import role_name
from tests.support.flow_rows import register_flow

MEGABYTE = 1_000_000


@pytest.fixture(autouse=True)
def _flow(database: DatabaseManager) -> None:
    register_flow(database, "survey")


def statements_of(engine: Engine) -> list[str]:
    seen: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, *rest: seen.append(statement))
    return seen


@pytest.mark.parametrize("on_duplicate", ["raise", "skip", "replace"])
def test_one_record_is_one_statement(database: DatabaseManager, on_duplicate: str) -> None:
    seen = statements_of(database.engine)
    with Session(database.engine) as session:
        for key in ("a", "b", "a") if on_duplicate != "raise" else ("a", "b", "c"):
            enqueue(session, "survey", {}, dedup_key=key, on_duplicate=on_duplicate)  # type: ignore[arg-type]
        session.commit()
    assert len(seen) == 3


@pytest.mark.parametrize("tiny", [0, 10_000])
def test_memory_does_not_grow_with_the_number_of_rows(database: DatabaseManager, tiny: int) -> None:
    """A chunk holds at most about 80 rows of 50 kB each, even if many small rows came before."""

    def rows() -> Iterator[object]:
        for n in range(tiny):
            yield {"n": n}
        for n in range(1_200):
            yield {"n": n, "text": "x" * 50_000}

    tracemalloc.start()
    try:
        with database.transaction() as cursor:
            enqueue_many(cursor, "survey", rows())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 20 * MEGABYTE  # the rows are 60 MB in total


@pytest.fixture
def producer(database: DatabaseManager) -> Iterator[Session]:
    with database.transaction() as cursor:
        cursor.execute(sql("maintenance/grant_roles"))
    with Session(database.engine) as session:
        session.connection().exec_driver_sql(f"SET LOCAL ROLE {role_name('producer')}")
        yield session


def test_the_rights_of_a_producer_suffice(database: DatabaseManager, producer: Session) -> None:
    enqueue(producer, "survey", {}, dedup_key="a")
    enqueue(producer, "survey", {}, dedup_key="a", on_duplicate="replace")
    enqueue_many(producer, "survey", [{}, {}])
    enqueue_many(producer, "survey", [NewRecord({}, dedup_key="b")], on_duplicate="skip")
    with pytest.raises(UnknownFlowError, match="did you mean survey"):
        enqueue(producer, "survye", {})
    with pytest.raises(PayloadRejectedError):
        enqueue_many(producer, "survey", [{"a": "\0"}])
    producer.commit()
    with database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM processing_queue").fetchone() == (4,)


def test_what_needs_wider_rights_says_so(producer: Session) -> None:
    with pytest.raises(QueueStoreError, match=role_name("admin")):
        enqueue_many(producer, "survey", [{}], with_ids=True)
