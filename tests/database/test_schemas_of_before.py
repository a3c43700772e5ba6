"""Before the first release there were 26 migrations. A database at the last of them counts as a database at today's
first migration. For an older database, the error says how to migrate."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import psycopg
import pytest
from click.testing import CliRunner, Result

from queue_store.database import roles, schema, statements, versions
from queue_store.errors import SchemaVersionError
from queue_store.operators import backup
from tasks.cli import main
from tests.support.described_schema import FILE, described
from tests.support.servers import connect
from tests.support.store import Store, in_background, store_on

END_WHO_WAITS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
OLDER = [f"{number:04}" for number in range(1, 26)]


@pytest.fixture
def old(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A queue as the last code before the first release left it: at migration 0026, with that code's comment on
    `schema_version`, and with roles. The single migration that replaced those 26 migrations makes the same schema as
    0026, byte for byte."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    manager = connect(empty_database_url)
    schema.migrate(manager.engine, versions.FIRST)
    roles.grant_roles(manager)
    with store_on(manager) as store:
        set_version(store, versions.LAST_OF_BEFORE)
        yield store
    manager.dispose()


def set_version(store: Store, version: str) -> None:
    store.execute("UPDATE schema_version SET version_num = %s", (version,))
    store.execute(f"COMMENT ON TABLE schema_version IS '{versions.MARK_OF_BEFORE}'")


def version_rows(store: Store) -> list[str]:
    return [row[0] for row in store.query("SELECT version_num FROM schema_version")]


def queuectl(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == exit_code, result.output
    return result


def test_the_last_one_is_recognised_and_keeps_what_it_has(old: Store) -> None:
    old.add_flow()
    old.enqueue(3)
    assert "run `queuectl migrate`" in queuectl("status", exit_code=1).output
    assert "So 0001_initial is not executed" in queuectl("migrate", "--dry-run").stdout
    assert version_rows(old) == ["0026"]
    assert "Version 0026 of the schema is the same as 0001_initial." in queuectl("migrate").stdout
    assert version_rows(old) == [versions.latest_version()]
    assert old.statuses() == {"pending": 3}
    assert "already" in queuectl("migrate").stdout
    queuectl("status")


def test_it_is_then_as_if_it_had_been_made_today(old: Store, empty_database_url: str) -> None:
    schema.migrate(old.database.engine)
    with psycopg.connect(empty_database_url) as connection:
        assert described(connection) == FILE.read_text()


def test_two_who_migrate_at_once_recognise_it_once(old: Store) -> None:
    program = [sys.executable, "-c", "from tasks.cli import main; main()", "migrate"]
    with old.held().transaction() as gate:
        gate.execute(statements.sql("migration/lock_schema_version"))
        both = [subprocess.Popen(program, stdout=PIPE, stderr=PIPE, text=True) for _ in range(2)]
        for one in both:
            assert one.stderr is not None
            assert "waiting for another migration" in one.stderr.readline()
    said = [one.communicate(timeout=60) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert version_rows(old) == [versions.latest_version()]


def test_one_that_is_interrupted_leaves_it_as_it_was(old: Store) -> None:
    with old.held().transaction() as cursor:
        cursor.execute("SELECT FROM schema_version FOR UPDATE")
        migrating = in_background(lambda: schema.migrate(old.database.engine))
        while not old.query(END_WHO_WAITS):  # between two tries, the migrator waits for no lock
            old.wait_until_a_session_is_blocked()
        with pytest.raises(Exception, match="terminating connection"):
            migrating.result(timeout=20)
    assert version_rows(old) == ["0026"]
    schema.migrate(old.database.engine)
    assert version_rows(old) == [versions.latest_version()]


@pytest.mark.parametrize("version", [OLDER[0], OLDER[-1]])
def test_an_older_one_is_told_the_way_and_left_alone(old: Store, version: str) -> None:
    set_version(old, version)
    said = (
        f"the schema is at {version}, which is older than .* can migrate 0026 and newer .*docs/upgrading.md"
    )
    for refuse in (
        lambda: schema.check_version(old.database),
        lambda: schema.migrate(old.database.engine),
        lambda: schema.missing_migrations(old.database.engine),
    ):
        with pytest.raises(SchemaVersionError, match=said):
            refuse()
    assert "docs/upgrading.md" in queuectl("migrate", exit_code=1).output
    assert "docs/upgrading.md" in queuectl("status", exit_code=1).output
    assert version_rows(old) == [version]


@pytest.mark.parametrize("version", ["0000", "0027", "9999", "26", "0001_other"])
def test_any_other_version_is_no_version_of_before(old: Store, version: str) -> None:
    set_version(old, version)
    schema.migrate(
        old.database.engine
    )  # does nothing, because the comment says that the schema serves this code
    old.execute("COMMENT ON TABLE schema_version IS NULL")
    with pytest.raises(SchemaVersionError, match=f"is at {version}, which is newer than this code"):
        schema.migrate(old.database.engine)
    assert version_rows(old) == [version]


@pytest.mark.parametrize("version", OLDER)
def test_every_older_one_is_known_as_such(version: str) -> None:
    assert versions.is_too_old(version)
    assert not versions.is_to_be_migrated(version)


def test_a_backup_of_the_last_one_is_restored(old: Store, tmp_path: Path) -> None:
    old.add_flow()
    old.enqueue(3)
    file = tmp_path / "queue.zip"
    backup.write_backup(old.database, file)
    assert backup.read_manifest(file).schema_version == "0026"
    schema.migrate(old.database.engine)
    backup.restore_backup(old.database, file, replace=True)
    assert old.statuses() == {"pending": 3}


def test_a_backup_fits_where_the_tables_are_the_same(empty_database_url: str) -> None:
    manager = connect(empty_database_url)
    columns: list[dict[str, list[str]]] = []
    for version in (versions.TABLES_SINCE, versions.latest_version()):
        schema.migrate(manager.engine, version)
        with manager.transaction() as cursor:
            columns.append({table: backup.columns_of(cursor, table) for table in backup.TABLES})
    manager.dispose()
    assert columns[0] == columns[1]
    assert not versions.has_todays_tables("0901_shade")
    assert not versions.has_todays_tables("0025")


def test_workers_of_before_may_start_until_they_are_replaced(old: Store) -> None:
    """Old workers compare their own version with the version at the end of the comment on `schema_version`."""
    schema.migrate(old.database.engine)
    said = old.value("SELECT obj_description('schema_version'::regclass, 'pg_class')")
    words = "compatible with the code of schema versions from "
    assert said.startswith(words)
    assert said.removeprefix(words) <= versions.LAST_OF_BEFORE
