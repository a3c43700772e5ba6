"""The pool hands out only connections that work, usually checks them without a round trip, and never exceeds its limit.
SQLAlchemy takes its connections from the same pool."""

import gc
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from queue_store.database import connection_pool
from queue_store.database.connection_pool import ConnectionPool
from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect

PID = "SELECT pg_backend_pid()"
TERMINATE = "SELECT pg_terminate_backend(%s, 20000)"  # waits at most 20 s until the session is gone


@pytest.fixture
def small(clean_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(clean_database_url, pool_size=1, max_overflow=1)
    yield manager
    manager.dispose()


def pid_of(manager: DatabaseManager) -> int:
    with manager.transaction() as cursor:
        return int(cursor.execute(PID).fetchall()[0][0])


def test_one_connection_serves_one_transaction_after_the_other(small: DatabaseManager) -> None:
    assert len({pid_of(small) for _ in range(5)}) == 1
    assert small.pool_in_use == 0


def test_no_more_connections_are_open_than_the_pool_may_have(
    small: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "TIMEOUT_SECONDS", 0.1)
    with small.hold(), small.engine.connect():
        assert small.pool_in_use == 2
        with pytest.raises(DatabaseUnavailableError, match="all 2 connections"), small.hold():
            pass
        with pytest.raises(connection_pool.PoolExhaustedError):
            small.engine.connect()
    assert small.pool_in_use == 0


@pytest.mark.parametrize("with_sqlalchemy", [False, True])
def test_a_lost_connection_is_not_replaced_while_all_others_are_in_use(
    small: DatabaseManager, monkeypatch: pytest.MonkeyPatch, with_sqlalchemy: bool
) -> None:
    monkeypatch.setattr(connection_pool, "TIMEOUT_SECONDS", 0.1)
    with small.hold(with_sqlalchemy=with_sqlalchemy) as held:
        held.invalidate()
        with small.hold(), small.hold():
            with pytest.raises(DatabaseUnavailableError, match="all connections of this process"):
                with held.transaction():
                    pass
        with held.transaction() as cursor:
            assert cursor.execute(PID).fetchall()


def test_whoever_waits_gets_the_connection_that_is_given_back(small: DatabaseManager) -> None:
    with small.hold(), small.hold() as second:
        pid = second.driver.info.backend_pid
        found: list[int] = []
        waiting = threading.Thread(target=lambda: found.append(pid_of(small)))
        waiting.start()
        second.close()
        waiting.join(20)
    assert found == [pid]


def test_what_is_left_of_a_transaction_is_rolled_back(small: DatabaseManager) -> None:
    with small.hold() as held:
        held.driver.execute("CREATE TABLE left_behind ()")
    with small.transaction() as cursor:
        assert cursor.execute("SELECT to_regclass('left_behind')").fetchall() == [(None,)]


@direct_only
def test_a_session_that_the_server_ended_is_not_handed_out(
    small: DatabaseManager, clean_database_url: str
) -> None:
    pid = pid_of(small)
    other = connect(clean_database_url)
    with other.transaction() as cursor:
        assert cursor.execute(TERMINATE, (pid,)).fetchall() == [(True,)]
    assert pid_of(small) != pid
    other.dispose()


def test_a_connection_that_works_is_handed_out_without_a_statement(
    small: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    pid = pid_of(small)
    monkeypatch.setattr(psycopg.Connection, "execute", lambda *arguments, **_: sent.append(arguments))
    with small.hold() as held:
        assert held.driver.info.backend_pid == pid
    assert sent == []


def test_when_one_connection_broke_the_idle_ones_are_asked_first(clean_database_url: str) -> None:
    asked: list[Any] = []

    class Asked(psycopg.Connection[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            asked.append(self)
            return super().execute(query, *arguments, **options)

    url = connect(clean_database_url).settings.url
    pool = ConnectionPool(lambda: Asked.connect(**url.driver_parameters()), size=2, capacity=2)
    one, two = pool.take(), pool.take()
    pool.give_back(one)
    two.close()
    pool.give_back(two)
    assert asked == []
    assert pool.take() is one
    assert asked == [one]
    pool.give_back(one)
    assert pool.take() is one
    assert asked == [one]
    one.close()
    pool.dispose()


def test_after_dispose_no_connection_is_used_again(small: DatabaseManager) -> None:
    """A caller disposes of the pool after a failover, for example, because the old connections still lead to the old
    primary."""
    with small.hold() as held:
        pid = held.driver.info.backend_pid
        small.dispose()
    assert pid_of(small) != pid


@pytest.mark.parametrize("uses_sqlalchemy", [False, True])
def test_a_manager_that_is_garbage_collected_closes_its_idle_connections(
    clean_database_url: str, uses_sqlalchemy: bool
) -> None:
    """psycopg warns about each connection that is open when it is garbage-collected."""
    manager = connect(clean_database_url)
    with manager.hold(with_sqlalchemy=uses_sqlalchemy) as held, held.transaction() as cursor:
        cursor.execute(PID)
        driver = held.driver
    del manager, held, cursor
    gc.collect()
    assert driver.closed


def test_a_connection_that_was_being_opened_during_dispose_is_not_kept(clean_database_url: str) -> None:
    url = connect(clean_database_url).settings.url

    def open_one() -> psycopg.Connection[Any]:
        driver = psycopg.connect(**url.driver_parameters())
        pool.dispose()
        return driver

    pool = ConnectionPool(open_one, size=2, capacity=2)
    driver = pool.take()
    pool.give_back(driver)
    assert driver.closed


def test_a_transaction_that_finds_all_connections_in_use_says_so(
    small: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first` needs a new connection for its transaction, because `invalidate` closed the old one."""
    monkeypatch.setattr(connection_pool, "TIMEOUT_SECONDS", 0.1)
    with small.hold() as first:
        first.invalidate()
        with (
            small.hold(),
            small.hold(),
            pytest.raises(DatabaseUnavailableError, match="all connections of this process are in use"),
            first.transaction(),
        ):
            pass
        with first.transaction() as cursor:
            assert cursor.execute(PID).fetchall()


def test_sqlalchemy_prepares_each_connection_once_and_uses_those_of_others(small: DatabaseManager) -> None:
    prepared: list[Any] = []
    event.listen(small.engine, "connect", lambda connection, _: prepared.append(connection))
    pids = {pid_of(small)}
    for _ in range(5):
        with Session(small.engine) as session:
            pids.add(session.execute(text(PID)).scalar_one())
        pids.add(pid_of(small))
    assert len(pids) == 1
    assert len(prepared) == 1


def test_sqlalchemy_goes_on_after_an_invalidated_connection(small: DatabaseManager) -> None:
    for _ in range(5):
        with small.engine.connect() as connection:
            connection.invalidate()
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        assert small.pool_in_use == 0


def test_a_connection_that_its_user_keeps_gives_up_its_place_when_it_is_closed(
    small: DatabaseManager,
) -> None:
    with small.engine.connect() as connection:
        connection.detach()
        connection.execute(text("SELECT 1"))
    assert small.pool_in_use == 0
