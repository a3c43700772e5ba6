"""`queuectl drain` waits for transactions that took their snapshot before the stop, because they do not see the stop
and can still add records."""

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from queue_store.readings.unfinished import open_writers
from tasks.cli import drain, main
from tests.cli.test_drain import configured, handler
from tests.support.flow_runs import Worker

__all__ = ["configured"]

INSERT = "INSERT INTO processing_queue (flow_name) VALUES ('handler')"


@pytest.fixture
def producer(clean_database_url: str) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(clean_database_url, autocommit=True) as connection:
        yield connection


@contextmanager
def draining() -> Generator[list[Result]]:
    """Starts a drain, and waits at the end of the block until the drain has ended."""
    results: list[Result] = []
    arguments = ["drain", "handler", "--timeout", "60"]
    thread = threading.Thread(target=lambda: results.append(CliRunner().invoke(main, arguments)))
    thread.start()
    try:
        yield results
    finally:
        thread.join(90)


def call(*options: str) -> Result:
    return CliRunner().invoke(main, ["drain", "handler", *options])


def begin(producer: psycopg.Connection[Any], isolation: str) -> None:
    producer.execute(f"BEGIN ISOLATION LEVEL {isolation}".encode())
    producer.execute("SELECT FROM schema_version")


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_what_such_a_transaction_adds_is_waited_for(
    worker: Worker, producer: psycopg.Connection[Any], isolation: str
) -> None:
    flow = worker.declare(handler)
    begin(producer, isolation)
    short = call("--timeout", "0", "--json")
    assert (short.exit_code, json.loads(short.stdout)["open_writers"]) == (4, 1)
    producer.execute(INSERT)  # accepted: the transaction does not see the stop
    told = call("--timeout", "0")
    assert "1 transaction that began before the drain is still open and could add records" in told.stderr
    producer.execute("COMMIT")
    assert call("--timeout", "0").exit_code == 4
    worker.run(flow)
    assert call("--timeout", "0").exit_code == 0
    assert worker.statuses() == {"completed": 1}


def test_the_next_transaction_of_the_same_session_is_not_waited_for(
    worker: Worker, producer: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.declare(handler)
    begin(producer, "REPEATABLE READ")
    has_looked = threading.Event()
    look = drain.look

    def look_and_say(*arguments: Any) -> Any:
        left = look(*arguments)
        has_looked.set()
        return left

    monkeypatch.setattr(drain, "look", look_and_say)
    with draining() as results:
        assert has_looked.wait(30)
        assert results == []
        producer.execute("COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM schema_version")
    assert results[0].exit_code == 0, results[0].output
    producer.execute("ROLLBACK")


def test_an_idle_read_committed_transaction_is_not_waited_for(
    worker: Worker, producer: psycopg.Connection[Any]
) -> None:
    worker.declare(handler)
    begin(producer, "READ COMMITTED")
    assert call("--timeout", "0").exit_code == 0


def test_a_login_that_may_not_see_snapshots_drains_as_before(
    worker: Worker, producer: psycopg.Connection[Any]
) -> None:
    """If a login may not see snapshots, Postgres shows it NULL as the backend_xmin of other logins' sessions."""
    worker.declare(handler)
    begin(producer, "REPEATABLE READ")
    with worker.services.database.transaction() as cursor:
        assert len(open_writers(cursor)) == 1
        cursor.execute("CREATE ROLE sees_no_snapshots")
        cursor.execute("SET LOCAL ROLE sees_no_snapshots")
        assert open_writers(cursor) == set()
        cursor.connection.rollback()


@pytest.mark.parametrize("name", ["pg_dump", "queuectl backup"])
def test_a_backup_is_not_waited_for(worker: Worker, producer: psycopg.Connection[Any], name: str) -> None:
    worker.declare(handler)
    producer.execute("SELECT set_config('application_name', %s, false)", [name])
    begin(producer, "REPEATABLE READ")
    assert call("--timeout", "0").exit_code == 0
