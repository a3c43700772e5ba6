"""The processes of a deployment: a worker for flows, a worker for `control`, and beat. They use a Postgres and a
Redis of their own."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
import redis
from click.testing import CliRunner
from psycopg.types.json import Jsonb
from sqlalchemy.engine import make_url

from queue_store.database import roles
from tasks.app import app
from tasks.cli import main
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.embedded.redis import EmbeddedRedis
from tests.support.cleaning import DatabaseCleaner
from tests.support.servers import FAST_SETTINGS, PostgresServer, connect
from tests.workers.processes import WORKER_OPTIONS, CeleryProcess, with_prefix

FLOWS = "tests.drill.flows_under_drill"
LOGIN = "drill_fleet"
CONNECTION_LIMIT = 80
SETTINGS = {"FLOW_MODULES": FLOWS, "IDLE_POLL_SECONDS": "1"}
# The fleet needs the rows of these tables. So the drill empties only the other tables.
KEPT = (
    "schema_version",
    "flows",
    "worker_processes",
    "beats",
    "beat_leader",
    "schedule_occurrences",
    "queue_control",
)


class Servers:
    """One Postgres and one Redis for all troubles of a drill."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        settings = FAST_SETTINGS | {"max_connections": str(CONNECTION_LIMIT)}
        self.postgres = EmbeddedPostgres(directory / "postgres", settings=settings)
        self.redis = EmbeddedRedis(directory / "redis")

    def start(self) -> None:
        self.postgres.start()
        self.redis.start()
        self.server = PostgresServer(self.postgres.url(), is_embedded=True)
        self.template = self.server.template_database()

    def stop(self) -> None:
        self.redis.stop()
        self.postgres.stop()


class Fleet:
    """`settings`: additional settings of the fleet, with names without the prefix. The processes of the fleet log in as
    a role that is not a superuser."""

    def __init__(self, servers: Servers, settings: Mapping[str, str] | None = None) -> None:
        self.servers = servers
        self.settings = dict(settings or {})
        self.name = servers.server.create_database(template=servers.template)
        self.admin_url = servers.server.database_url(self.name)
        self._stack = ExitStack()
        self._log_number = 0

    @property
    def url(self) -> str:
        return make_url(self.admin_url).set(username=LOGIN).render_as_string(hide_password=False)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url,
            "CELERY_BROKER_URL": self.servers.redis.url(),
            **with_prefix(SETTINGS | {"STATE_DIRECTORY": str(self.servers.directory)} | self.settings),
        }

    def start(self) -> None:
        """Starts the fleet, and waits until all worker processes and the flows are registered. The workers log "ready"
        a little earlier, so the log alone is not enough."""
        self._grant()
        self.cleaner = DatabaseCleaner(self.admin_url, kept=KEPT)
        self.cleaner.remember_seeds()
        self.client.flushall()
        self.flows = self.start_worker("flows", 2)
        self.control = self.start_worker("control", 1)
        self.beat = self.start_beat()
        for process in (self.flows, self.control):
            process.wait_for_log(" ready.")
        self.wait_for("(SELECT count(*) = 3 FROM worker_processes WHERE state = 'running')")
        self.wait_for("EXISTS (SELECT FROM flows WHERE flow_name = 'letters')")

    def stop(self) -> None:
        self._stack.close()
        self.servers.server.drop_database(self.name)

    def start_worker(self, queues: str, concurrency: int, **environment: str) -> CeleryProcess:
        """Starts a worker, but does not wait until it is ready."""
        name = f"{queues}-{self._log_number}@drill"
        options = ["-Q", queues, f"--concurrency={concurrency}", "-n", name, *WORKER_OPTIONS]
        return self._start(["worker", *options], queues, environment)

    def start_beat(self) -> CeleryProcess:
        schedule = self.servers.directory / f"beat-{self._log_number}.schedule"
        return self._start(["beat", "--schedule", str(schedule), "--loglevel=INFO"], "beat", {})

    def _start(self, arguments: list[str], kind: str, environment: dict[str, str]) -> CeleryProcess:
        self._log_number += 1
        log = self.servers.directory / f"{self.name}-{kind}-{self._log_number}.log"
        process = CeleryProcess(arguments, os.environ | self.environment | environment, log)
        self._stack.callback(process.kill)
        return process

    def clean(self) -> None:
        """Empties all tables except those in KEPT, restores the rows that the migrations inserted, and deletes the
        quarantined messages."""
        self.cleaner.clean()
        self.client.delete("processing_queue:quarantine")

    @property
    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.servers.redis.url())

    def execute(self, *statements: str, parameters: Any = None) -> None:
        """Executes each statement as a superuser, in autocommit mode."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode(), parameters)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode()).fetchall()

    def connect(self, url: str | None = None, application_name: str = "drill") -> psycopg.Connection:
        return psycopg.connect(url or self.admin_url, application_name=application_name, autocommit=True)

    def queuectl(self, *arguments: str) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def insert(self, flow_name: str, count: int, age_seconds: float = 0, **payload: Any) -> None:
        """Inserts records that have been due for `age_seconds`."""
        self.execute(
            "INSERT INTO processing_queue (flow_name, payload, scheduled_at) SELECT %(flow)s, %(payload)s,"
            " now() - make_interval(secs => %(age)s) FROM generate_series(1, %(count)s)",
            parameters={"flow": flow_name, "payload": Jsonb(payload), "age": age_seconds, "count": count},
        )

    def wait_for(self, condition: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while self.query(f"SELECT {condition}") != [(True,)]:
            assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {condition}"
            time.sleep(0.2)

    def wait_until_done(self) -> None:
        self.wait_for("NOT EXISTS (SELECT FROM processing_queue WHERE status IN ('pending', 'processing'))")

    @contextmanager
    def settings_here(self) -> Iterator[None]:
        """Inside this block, checks that run in this process use the settings of the fleet."""
        broker_url = app.conf.broker_url
        with mock.patch.dict(os.environ, self.environment):
            app.conf.update(broker_url=self.servers.redis.url())
            try:
                yield
            finally:
                app.conf.update(broker_url=broker_url)

    def _grant(self) -> None:
        manager = connect(self.admin_url)
        roles.grant_roles(manager)
        manager.dispose()
        self.execute(
            f"DO $$ BEGIN CREATE ROLE {LOGIN} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
            f"GRANT processing_queue_worker, processing_queue_admin, processing_queue_monitor TO {LOGIN}",
        )
