"""Rescue ends the transactions of a dead run and no others, whether connections are direct or go through PgBouncer."""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from tests.pgbouncer.conftest import Pooled
from tests.support.pgbouncer import running_pgbouncer
from tests.support.servers import PostgresServer, connect, reachable_directory
from tests.support.store import completed, store_on


@pytest.fixture
def managers(pooled: Pooled) -> Iterator[dict[str, DatabaseManager]]:
    both = {
        "pooled": connect(pooled.url, pgbouncer=True),
        "direct": connect(pooled.direct_url, pgbouncer=False),
    }
    yield both
    for manager in both.values():
        manager.dispose()


@pytest.mark.parametrize("rescuer", ["pooled", "direct"])
@pytest.mark.parametrize("owner", ["pooled", "direct"])
def test_a_frozen_transaction_is_ended_and_no_other_one(
    managers: dict[str, DatabaseManager], owner: str, rescuer: str
) -> None:
    with store_on(managers[owner]) as store, store_on(managers[rescuer]) as other, ExitStack() as innocents:
        store.add_flow()
        expected = store.enqueue(5)
        frozen = store.run()
        batch = frozen.begin()
        transaction = frozen.held.transaction()
        frozen.write_in(transaction.__enter__(), completed(batch))
        clients = [innocents.enter_context(managers[kind].transaction()) for kind in ("pooled", "direct") * 3]
        for cursor in clients:
            cursor.execute("SELECT 1")
        store.age(frozen)
        assert other.rescue.sweep().pending_ids == expected
        for cursor in clients:
            assert cursor.execute("SELECT 2").fetchall() == [(2,)]
        with pytest.raises((psycopg.OperationalError, DatabaseUnavailableError)):
            frozen.held.driver.execute("SELECT 1")


def test_the_session_that_a_run_had_once_is_left_to_whoever_has_it_now(
    postgres_server: PostgresServer, pooled: Pooled, managers: dict[str, DatabaseManager]
) -> None:
    """The pool has one session. So a client that begins a transaction gets the session that the dead run had."""
    with ExitStack() as stack:
        directory = stack.enter_context(reachable_directory())
        bouncer = stack.enter_context(
            running_pgbouncer(directory, postgres_server.url, default_pool_size="1")
        )
        manager = connect(bouncer.url(pooled.direct_url.rpartition("/")[2].partition("?")[0]), pgbouncer=True)
        stack.callback(manager.dispose)
        store = stack.enter_context(store_on(manager))
        store.add_flow()
        expected = store.enqueue(5)
        run = store.run()
        run.begin()
        store.age(run)
        direct = stack.enter_context(store_on(managers["direct"]))
        with manager.transaction() as innocent:
            innocent.execute("SELECT 1")
            assert direct.rescue.sweep().pending_ids == expected
            assert innocent.execute("SELECT 2").fetchall() == [(2,)]
