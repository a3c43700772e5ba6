"""A schema that is newer than this code, but serves it, needs no migration. `queuectl migrate` says so and succeeds.
It must succeed: when operators deploy the old release again, its services wait for this command."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from psycopg import sql

from queue_store.database import roles, schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.queue_schema import role_name
from tasks.cli import main
from tests.support.servers import connect

NEWER = "9999_newer"
SAID = f"The schema is at {NEWER}, which is newer and serves this release: nothing to do.\n"
GRANTED = "SELECT has_table_privilege(%s, 'flows', 'SELECT')"


@pytest.fixture
def database(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    manager = connect(own_database_url)
    migrate_further(manager, f"serves code from {versions.latest_version()} on")
    yield manager
    manager.dispose()


def migrate_further(database: DatabaseManager, comment: str) -> None:
    """Makes the schema look as if the next release had migrated it."""
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = %s", (NEWER,))
        cursor.execute(f"COMMENT ON TABLE schema_version IS '{comment}'".encode())


def queuectl(*arguments: str, exit_code: int = 0) -> str:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
def test_migrate_says_that_there_is_nothing_to_do(
    database: DatabaseManager, options: tuple[str, ...]
) -> None:
    assert queuectl("migrate", *options) == SAID
    assert schema.version_of(database) == NEWER


@pytest.mark.parametrize("options", [(), ("--dry-run",)])
@pytest.mark.usefixtures("database")
def test_migrate_says_so_as_json(options: tuple[str, ...]) -> None:
    assert json.loads(queuectl("migrate", "--json", *options)) == {
        "version_before": NEWER,
        "version": NEWER,
        "is_dry_run": bool(options),
        "migrations": [],
    }


def test_the_mark_of_the_first_releases_serves_this_code_too(database: DatabaseManager) -> None:
    migrate_further(database, versions.MARK_OF_BEFORE)
    assert queuectl("migrate") == SAID


def test_the_calls_that_migrate_leave_the_schema_alone(database: DatabaseManager) -> None:
    schema.migrate(database.engine)
    assert schema.missing_migrations(database.engine) == []
    assert schema.version_of(database) == NEWER


def test_the_rights_of_the_newer_release_stay(database: DatabaseManager) -> None:
    roles.grant_roles(database)
    monitor = role_name("monitor")
    with database.transaction() as cursor:
        cursor.execute(sql.SQL("REVOKE SELECT ON flows FROM {}").format(sql.Identifier(monitor)))
    queuectl("migrate")
    with database.transaction() as cursor:
        assert cursor.execute(GRANTED, (monitor,)).fetchone() == (False,)


@pytest.mark.parametrize("comment", ["", "serves code from 9998_later on"])
def test_a_schema_that_does_not_serve_this_code_is_refused(database: DatabaseManager, comment: str) -> None:
    migrate_further(database, comment)
    for options in ((), ("--dry-run",)):
        error = queuectl("migrate", *options, exit_code=1)
        assert f"is at {NEWER}, which is newer than this code" in error
        assert "deploy the newer version" in error
    assert schema.version_of(database) == NEWER
