"""If `queuectl migrate` is refused before its first migration, `queuectl migrate --dry-run` lists the missing
migrations, says the same and ends with the same exit code."""

from collections.abc import Iterator

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb
from sqlalchemy import make_url

from queue_store import DatabaseManager
from queue_store.database import schema, versions
from tasks.cli import main
from tests.support import filling
from tests.support.servers import connect
from tests.support.troubles import execute


def queuectl(*arguments: str, exit_code: int) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result


def both_refused(said: str) -> Result:
    """The result of the dry run."""
    would = queuectl("migrate", "--dry-run", exit_code=1)
    done = queuectl("migrate", exit_code=1)
    assert would.stderr == done.stderr
    assert said in done.stderr
    as_json = [queuectl("migrate", *options, "--json", exit_code=1).stdout for options in (["--dry-run"], [])]
    assert as_json[0] == as_json[1]
    return would


@pytest.fixture
def old(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    """A queue at the first migration, whose schema is not marked as one that serves this code."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    manager = connect(empty_database_url)
    schema.migrate(manager.engine, versions.FIRST)
    execute(manager, "COMMENT ON TABLE schema_version IS NULL")
    yield manager
    manager.dispose()


def test_a_worker_of_older_code_refuses_both(old: DatabaseManager) -> None:
    filling.add_worker_process(old, hostname="host", pid=1, versions=Jsonb({"schema": "0001"}))
    would = both_refused("running workers need: host (process 1)")
    assert would.stdout.startswith(f"{versions.known_versions()[1]}: ")
    execute(old, "UPDATE worker_processes SET heartbeat_at = heartbeat_at - interval '2 hours'")
    queuectl("migrate", "--dry-run", exit_code=0)
    queuectl("migrate", exit_code=0)


@pytest.fixture
def latin_database(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    utf8 = make_url(empty_database_url)
    name = f"{utf8.database}_latin1"
    url = utf8.set(database=name)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0".encode())
        yield
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.mark.usefixtures("latin_database")
def test_another_encoding_refuses_both() -> None:
    both_refused("has the encoding LATIN1")
