"""Behind PgBouncer, no session keeps an advisory lock that a handler took in a slice, even if the slice is
rolled back. The run could not release such a lock later, because its next transaction may use another
session."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from tasks import Backoff
from tests.pgbouncer.conftest import Pooled
from tests.support.flow_runs import Worker, running_worker
from tests.support.pgbouncer import SETTING

TAKE = "SELECT pg_try_advisory_lock(4711)"
HELD = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND granted"


class Observer:
    """Counts, over a connection of its own, the sessions that hold the lock."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.before_calls: list[int] = []

    def held(self) -> int:
        [(count,)] = self._connection.execute(HELD).fetchall()
        return int(count)

    def note(self) -> None:
        self.before_calls.append(self.held())


@pytest.fixture
def observer(pooled: Pooled) -> Iterator[Observer]:
    with psycopg.connect(pooled.direct_url, autocommit=True) as connection:
        yield Observer(connection)


@pytest.fixture
def worker(pooled: Pooled, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    monkeypatch.setenv(SETTING, "true")
    with running_worker(pooled.url, monkeypatch) as worker:
        yield worker


def plain(observer: Observer) -> Callable[..., Any]:
    def handler(payload: str, connection: psycopg.Connection[Any]) -> None:
        if payload == "locks":
            observer.note()
            connection.execute(TAKE)
        elif payload == "raises":
            raise ValueError
        else:
            connection.execute("SELECT 1 / 0")

    return handler


def asynchronous(observer: Observer) -> Callable[..., Any]:
    async def handler(payload: str, connection: psycopg.AsyncConnection[Any]) -> None:
        if payload == "locks":
            observer.note()
            await connection.execute(TAKE)
        elif payload == "raises":
            raise ValueError
        else:
            await connection.execute("SELECT 1 / 0")

    return handler


@pytest.mark.parametrize("express", [False, True], ids=["claimed", "express"])
@pytest.mark.parametrize("failure", ["raises", "fails in SQL"])
@pytest.mark.parametrize("kind", [plain, asynchronous])
def test_a_slice_that_is_rolled_back_releases_them(
    worker: Worker, observer: Observer, kind: Callable[..., Any], failure: str, express: bool
) -> None:
    flow = worker.declare(
        kind(observer), name="locker", express=express, max_retries=0, backoff=Backoff.fixed(0)
    )
    ids = worker.enqueue("locker", ["locks", failure])
    worker.run(flow)
    assert [row.status for row in worker.rows(ids)] == ["completed", "failed"]
    assert len(observer.before_calls) >= 2  # the slice was rolled back, and done again
    assert set(observer.before_calls) == {0}
    assert observer.held() == 0
