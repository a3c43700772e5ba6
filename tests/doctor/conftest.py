"""A queue with a correct set-up, in a database of its own, and calls of `queuectl doctor`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import redis
from click.testing import CliRunner

from queue_store.database import roles
from queue_store.database.manager import DatabaseManager
from queue_store.queue_schema import celery_queue_name
from tasks.app import app
from tasks.cli import main
from tests.support import filling
from tests.support.servers import connect


@dataclass
class Patient:
    """`database` uses a login that has all rights."""

    database: DatabaseManager
    url: str
    redis: redis.Redis

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def examine(self, exit_code: int | None = None) -> dict[str, Any]:
        """The level, message and next step of each check, as `queuectl doctor --json` prints them."""
        result = CliRunner().invoke(main, ["doctor", "--json"])
        assert "Traceback" not in result.output
        found = json.loads(result.stdout)
        assert exit_code in (None, result.exit_code), result.output
        assert found["exit_code"] == result.exit_code
        return {check["check"]: check for check in found["checks"]}

    def complaints(self) -> dict[str, tuple[str, str]]:
        return {
            name: (check["level"], check["message"])
            for name, check in self.examine().items()
            if check["level"] != "ok"
        }


@pytest.fixture
def patient(
    own_database_url: str, redis_client: redis.Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Patient]:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    monkeypatch.setattr(app.conf, "broker_url", redis_url)
    database = connect(own_database_url)
    roles.grant_roles(database)
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha", celery_queues=["flows"])
    filling.add_worker_process(
        database, "alpha", celery_queues=[celery_queue_name("control")], hostname="worker-2"
    )
    found = Patient(database, own_database_url, redis_client)
    found.execute(
        "INSERT INTO beats (beat_id, hostname, pid, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'beat-1', 1, now() + interval '1 hour')",
        "UPDATE worker_processes SET started_at = now() - interval '1 hour'",
        "UPDATE beat_leader SET beat_id = (SELECT beat_id FROM beats), leads_until = now() + interval '1 hour'",
    )
    yield found
    database.dispose()
