"""PgBouncer may give a client a server session that another client opened. Even then, the client has its own settings
after a one-COMMIT slice."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from queue_store.database.cursors import OwnCursor
from queue_store.database.manager import DatabaseManager
from queue_store.runs.run import Run
from queue_store.runs.sessions import run_parameters
from queue_store.runs.slice_session import SliceSession
from tests.pgbouncer.conftest import Pooled
from tests.support.pgbouncer import running_pgbouncer
from tests.support.servers import PostgresServer, connect, reachable_directory
from tests.support.store import store_on

SETTINGS = (
    "SELECT current_setting('application_name'), current_setting('TimeZone'), current_setting('DateStyle')"
)


@pytest.fixture
def manager(
    postgres_server: PostgresServer, pooled: Pooled, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DatabaseManager]:
    """A pool with a single session. A producer with other settings opened this session."""
    with ExitStack() as stack:
        directory = stack.enter_context(reachable_directory())
        bouncer = stack.enter_context(
            running_pgbouncer(directory, postgres_server.url, default_pool_size="1")
        )
        url = bouncer.url(pooled.direct_url.rpartition("/")[2].partition("?")[0])
        for name, value in (("PGTZ", "Asia/Kathmandu"), ("PGDATESTYLE", "German")):
            monkeypatch.setenv(name, value)
        with psycopg.connect(url, application_name="producer") as producer:
            producer.execute("SELECT 1")
            monkeypatch.undo()
            manager = connect(url, pgbouncer=True)
            stack.callback(manager.dispose)
            producer.commit()
            yield manager


def test_after_a_slice_the_settings_are_those_of_the_client(manager: DatabaseManager) -> None:
    with store_on(manager) as store:
        store.add_flow()
        run = store.run()
        before = run.held.driver.execute(SETTINGS).fetchone()
        run.held.driver.commit()
        assert before is not None
        assert before[1] != "Asia/Kathmandu"
        work_in_a_slice(run)
        assert run.held.driver.execute(SETTINGS).fetchone() == before
        run.held.driver.commit()


def work_in_a_slice(run: Run) -> None:
    async def work() -> None:
        with run.held.transaction() as cursor:

            async def execute(statement: bytes, parameters: dict[str, Any] | None) -> list[tuple[Any, ...]]:
                with OwnCursor(cursor.connection) as own:
                    own.execute(statement, parameters)
                    return own.fetchall() if own.description else []

            session = SliceSession(execute, ["app.nobody_has_set_it"])
            await session.open(run_parameters(run.flow_instance_id))
            cursor.execute("SET TimeZone = 'Asia/Tokyo'")
            cursor.execute("SET application_name = 'of a handler'")
            assert await session.close()

    asyncio.run(work())
