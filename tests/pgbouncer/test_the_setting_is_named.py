"""PgBouncer is recognised by its effect on a connection, and the error names the missing setting."""

from pathlib import Path

import pytest

from queue_store.errors import DatabaseUnavailableError, SettingsError
from tests.pgbouncer.conftest import Pooled
from tests.support.pgbouncer import running_pgbouncer
from tests.support.servers import PostgresServer, connect, reachable_directory

SETTING = "DEVELOPMENT_GLOBAL_RPA_DB_PGBOUNCER=true"


def test_a_pooler_that_refuses_our_parameters(pooled: Pooled) -> None:
    database = connect(pooled.url, pgbouncer=False)
    with pytest.raises(DatabaseUnavailableError, match=SETTING) as caught, database.transaction():
        pass
    assert "network" not in str(caught.value)


def test_a_pooler_that_ignores_our_parameters(postgres_server: PostgresServer) -> None:
    """A pooler that ignores our parameters would let us connect, but would drop our timeouts and mix up prepared
    statements."""
    ignoring = {"ignore_startup_parameters": "options"}
    with reachable_directory() as directory:
        with running_pgbouncer(Path(directory), postgres_server.url, **ignoring) as bouncer:
            database = connect(bouncer.url(), pgbouncer=False)
            for _ in range(2):
                with pytest.raises(SettingsError, match=SETTING), database.transaction():
                    pass
            assert database.pool_in_use == 0
            database.dispose()


def test_with_the_setting_it_works(pooled: Pooled) -> None:
    database = connect(pooled.url, pgbouncer=True)
    for _ in range(10):  # psycopg prepares a statement after fewer executions
        with database.transaction() as cursor:
            assert cursor.execute("SELECT count(*) FROM processing_queue").fetchall() == [(0,)]
    database.dispose()


def test_a_direct_connection_is_taken_for_one(pooled: Pooled) -> None:
    database = connect(pooled.direct_url, pgbouncer=False)
    with database.transaction() as cursor:
        assert cursor.execute("SELECT 1").fetchall() == [(1,)]
    database.dispose()
