from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.pgbouncer import PgBouncer, running_pgbouncer
from tests.support.servers import PostgresServer, reachable_directory


@dataclass(frozen=True)
class Pooled:
    """A migrated database, directly and through PgBouncer."""

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
