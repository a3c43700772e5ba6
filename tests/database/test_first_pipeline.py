"""The first statements of a transaction are sent together with its BEGIN. Whether these statements succeed or fail, the
connection's next transaction also begins with BEGIN. So the next transaction can be rolled back completely."""

from contextlib import suppress

import pytest
from psycopg import Cursor

from queue_store.database.held_connection import HeldConnection
from queue_store.database.manager import DatabaseManager
from queue_store.errors import CommitUnknownError
from tests.support.store import Store

PAUSE = "UPDATE flows SET paused_at = now()"
PAUSED = "SELECT paused_at IS NOT NULL FROM flows"


class HandlerError(Exception):
    pass


def pause_and_fail(cursor: Cursor[object]) -> None:
    cursor.execute(PAUSE)
    raise HandlerError


def refuse(store: Store, held: HeldConnection) -> None:
    """Asserts that the next transaction on the connection can be rolled back completely."""
    with suppress(HandlerError), held.transaction() as cursor:
        pause_and_fail(cursor)
    assert store.value(PAUSED) is False


def test_its_statements_are_in_the_transaction(store: Store) -> None:
    held = store.held()
    with suppress(HandlerError), held.transaction() as cursor:
        with held.first_pipeline(cursor):
            cursor.execute(PAUSE)
        raise HandlerError
    assert store.value(PAUSED) is False
    with held.transaction() as cursor, held.first_pipeline(cursor):
        cursor.execute(PAUSE)
    assert store.value(PAUSED) is True


def test_after_a_commit(store: Store) -> None:
    held = store.held()
    with held.transaction() as cursor, held.first_pipeline(cursor):
        cursor.execute("SELECT")
    refuse(store, held)


def test_after_a_rollback(store: Store) -> None:
    held = store.held()
    with suppress(HandlerError), held.transaction() as cursor, held.first_pipeline(cursor):
        pause_and_fail(cursor)
    refuse(store, held)


def test_after_a_statement_that_fails(store: Store) -> None:
    held = store.held()
    with pytest.raises(Exception, match="division by zero"), held.transaction() as cursor:
        with held.first_pipeline(cursor):
            cursor.execute("SELECT 1 / 0")
    refuse(store, held)


def test_after_an_undo_in_the_same_transaction(store: Store) -> None:
    held = store.held()
    with suppress(HandlerError), held.transaction() as cursor:
        with held.first_pipeline(cursor):
            cursor.execute("SELECT")
        held.undo()
        pause_and_fail(cursor)
    assert store.value(PAUSED) is False


def test_a_second_pipeline_joins_the_transaction(store: Store) -> None:
    held = store.held()
    with suppress(HandlerError), held.transaction() as cursor:
        cursor.execute("SELECT")
        with held.first_pipeline(cursor):
            pause_and_fail(cursor)
    assert store.value(PAUSED) is False


@pytest.mark.parametrize("with_sqlalchemy", [False, True])
def test_whoever_takes_the_connection_next_has_a_transaction(store: Store, with_sqlalchemy: bool) -> None:
    with store.database.hold(with_sqlalchemy=with_sqlalchemy) as held:
        with held.transaction() as cursor, held.first_pipeline(cursor):
            cursor.execute("SELECT")
        pid = held.driver.info.backend_pid
    with suppress(HandlerError), store.database.transaction() as cursor:
        assert cursor.connection.info.backend_pid == pid or store.database.settings.pgbouncer
        pause_and_fail(cursor)
    assert store.value(PAUSED) is False


def test_a_commit_whose_connection_breaks_is_unknown(store: Store, database: DatabaseManager) -> None:
    held = store.held()
    with pytest.raises(CommitUnknownError), held.transaction() as cursor:  # noqa: PT012
        with held.first_pipeline(cursor):
            cursor.execute(PAUSE)
        held.driver.pgconn.finish()
    refuse(store, held)
