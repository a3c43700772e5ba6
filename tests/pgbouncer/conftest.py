from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass

import psycopg
import pytest

from queue_store.database import schema
from tasks.embedded.postgres import EmbeddedPostgres
from tests.support.pgbouncer import PgBouncer, running_pgbouncer
from tests.support.servers import FAST_SETTINGS, PostgresServer, connect, reachable_directory


@dataclass(frozen=True)
class Pooled:
    """A migrated database that tests can reach directly and through PgBouncer."""

    pgbouncer: PgBouncer
    direct_url: str
    url: str


@pytest.fixture(scope="session")
def pgbouncer(postgres_server: PostgresServer) -> Iterator[PgBouncer]:
    with reachable_directory() as directory, running_pgbouncer(directory, postgres_server.url) as bouncer:
        yield bouncer


@pytest.fixture
def pooled(postgres_server: PostgresServer, template_database: str, pgbouncer: PgBouncer) -> Iterator[Pooled]:
    name = postgres_server.create_database(template=template_database)
    yield Pooled(pgbouncer, postgres_server.direct_url(name), pgbouncer.url(name))
    postgres_server.drop_database(name)


@dataclass(frozen=True)
class Pooler:
    """A Postgres server that the test may stop, and the PgBouncer in front of it."""

    postgres: EmbeddedPostgres
    pgbouncer: PgBouncer

    @property
    def url(self) -> str:
        return self.pgbouncer.url()

    def wait_until_refused(self) -> None:
        """Postgres is stopped, so the first client waits in vain. After that, PgBouncer refuses clients at once."""
        for _ in range(2):
            with suppress(psycopg.OperationalError), psycopg.connect(self.url) as connection:
                connection.execute("SELECT 1")


@pytest.fixture
def start_pooler() -> Iterator[Callable[..., Pooler]]:
    """Yields a function that starts a pooler with settings of PgBouncer, such as `query_wait_timeout="1"`."""
    with ExitStack() as stack:

        def start(**settings: str) -> Pooler:
            postgres = EmbeddedPostgres(
                stack.enter_context(reachable_directory()),
                settings=FAST_SETTINGS | {"shared_buffers": "16MB"},
            )
            postgres.start()
            stack.callback(postgres.stop)
            manager = connect(postgres.url(), pgbouncer=False)
            schema.migrate(manager.engine)
            manager.dispose()
            directory = stack.enter_context(reachable_directory())
            bouncer = stack.enter_context(running_pgbouncer(directory, postgres.url(), **settings))
            return Pooler(postgres, bouncer)

        yield start
