import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from psycopg.sql import SQL, Identifier
from sqlalchemy.engine import make_url

from queue_store.database.manager import DatabaseManager
from tests.support.schemas import VARIABLE, create_queue
from tests.support.servers import connect

OWNER = "owner_of_queues"  # an ordinary login: no superuser, and may create neither roles nor databases
THEIR_TABLES = """
CREATE TABLE public.alerts (ring text);
CREATE TABLE public.flows (litres integer);
CREATE TABLE public.schema_version (version text);
CREATE TABLE public.processing_queue (id uuid);
INSERT INTO public.schema_version VALUES ('theirs');
"""
EFFECTS = """
CREATE TABLE public.effects (record_id bigint, queue_of_record text, queue_of_worker text, search_path text)
"""


@dataclass
class Queues:
    """One database with several queues. `environments`: the environment of each queue's processes."""

    database: DatabaseManager
    url: str
    environments: dict[str, dict[str, str]]

    def rows(self, query: str, queue: str = "public") -> list[tuple[Any, ...]]:
        """Executes the query with the schema `queue` on the search path, as users of psql do."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT set_config('search_path', %s, false)", [queue])
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def insert(self, queue: str, flow_name: str, count: int = 1) -> None:
        statement = (
            "INSERT INTO {} (flow_name, payload) SELECT %s, jsonb_build_object('queue', %s::text)"
            " FROM generate_series(1, %s)"
        )
        with psycopg.connect(self.url) as connection:
            table = Identifier(queue, "processing_queue")
            connection.execute(SQL(statement).format(table), [flow_name, queue, count])

    def counts(self, queue: str) -> dict[str, int]:
        return dict(self.rows("SELECT status, count(*)::int FROM processing_queue GROUP BY 1", queue))


@pytest.fixture
def owner_url(empty_database_url: str) -> str:
    """The URL of an empty database for the ordinary login OWNER, which can create schemas in it."""
    url = make_url(empty_database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        with suppress(psycopg.errors.DuplicateObject):
            connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(OWNER)))
        for grant in ("CREATE ON DATABASE {}", "CREATE ON SCHEMA public"):
            target = SQL(grant).format(Identifier(url.database or ""))
            connection.execute(SQL("GRANT {} TO {}").format(target, Identifier(OWNER)))
    return url.set(username=OWNER).render_as_string(hide_password=False)


@pytest.fixture
def queues(owner_url: str, redis_client: redis.Redis, redis_url: str) -> Iterator[Queues]:
    """Three queues without database roles, because their owner is not allowed to create roles."""
    database = connect(owner_url)
    environments: dict[str, dict[str, str]] = {}
    for name in ("public", "a", "b"):
        create_queue(database, name, with_roles=False)
        environments[name] = environment_of(name, owner_url, redis_url)
    found = Queues(database, owner_url, environments)
    found.rows(EFFECTS)
    yield found
    database.dispose()


def environment_of(schema: str, database_url: str, redis_url: str) -> dict[str, str]:
    prefix = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
    settings = {f"{prefix}FLOW_MODULES": "tests.own_schema.flows", f"{prefix}IDLE_POLL_SECONDS": "0.3"}
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": redis_url,
        **settings,
        VARIABLE: schema,
    }


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"
