"""While a migration waits for its lock, workers and producers go on: they never queue up behind a waiting ALTER
TABLE."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_store.database import schema, versions
from queue_store.database.manager import DatabaseManager
from tests.support.builds import Build
from tests.support.locks import uncommitted, wait_until_blocked
from tests.support.pgbouncer import direct_only
from tests.support.servers import connect

NEXT = "0901_next"
COLUMN = "ALTER TABLE processing_queue ADD COLUMN colour text"
INDEX = "CREATE INDEX CONCURRENTLY by_update ON public.processing_queue (updated_at)"
INSERT = "INSERT INTO processing_queue (flow_name) VALUES ('alpha')"
HAS_COLOUR = """SELECT EXISTS (SELECT FROM information_schema.columns
    WHERE table_name = 'processing_queue' AND column_name = 'colour')"""
INDEXES = """SELECT i.indexrelid::int, i.indisvalid FROM pg_index i
    WHERE i.indexrelid::regclass::text IN ('by_update', 'own.by_update')"""
WAITS = "queue_store/migrations/short_waits.py"


@pytest.fixture
def database(own_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(own_database_url)
    yield manager
    manager.dispose()


@pytest.fixture
def following(tmp_path: Path, own_database_url: str) -> Build:
    return Build(tmp_path / "following", own_database_url)


@contextmanager
def migrating(build: Build) -> Iterator[subprocess.Popen[str]]:
    process = build.queuectl_started("migrate")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> int:
    output = process.communicate(timeout=60)
    print(output)  # noqa: T201
    return process.returncode


def rows(database: DatabaseManager, query: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(query.encode()).fetchall()


def insert_within(database: DatabaseManager, seconds: float) -> None:
    with database.transaction() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{1000 * seconds:.0f}ms"])
        cursor.execute(INSERT)


def test_nobody_waits_behind_a_migration_that_waits(database: DatabaseManager, following: Build) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN)
    with migrating(following) as process:
        with uncommitted(database, INSERT):
            for _ in range(3):  # tries of the migration
                wait_until_blocked(database)
                insert_within(database, 3)  # the migration gets its lock only after this block
            assert rows(database, HAS_COLOUR) == [(False,)]
        assert ended(process) == 0
    assert rows(database, HAS_COLOUR) == [(True,)]
    assert schema.version_of(database) == NEXT


def test_a_migration_that_waits_for_vacuum_keeps_nobody_waiting(
    database: DatabaseManager, following: Build
) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN)
    vacuum = "LOCK TABLE processing_queue IN SHARE UPDATE EXCLUSIVE MODE"
    with migrating(following) as process:
        with uncommitted(database, vacuum):
            wait_until_blocked(database)
            insert_within(database, 0.02)
            wait_until_blocked(database)
        assert ended(process) == 0
    assert rows(database, HAS_COLOUR) == [(True,)]


def test_after_a_while_a_migration_waits_longer_and_says_so(
    database: DatabaseManager, following: Build
) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN)
    following.change(WAITS, "LONGER_AFTER_SECONDS = 60.0", "LONGER_AFTER_SECONDS = 0.1")
    with migrating(following) as process:
        assert process.stderr is not None
        with uncommitted(database, INSERT):
            said = process.stderr.readline()
            assert (
                "the migration did not get its lock: the next try may make others wait for 0.1 s; in the way: session "
                in said
            )
            assert "the next try may make others wait for 0.2 s" in process.stderr.readline()
        assert ended(process) == 0


def test_a_migration_without_a_free_moment_gives_up_and_says_who_was_in_the_way(
    database: DatabaseManager, following: Build
) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN)
    following.change(WAITS, "GIVE_UP_AFTER_SECONDS = 300.0", "GIVE_UP_AFTER_SECONDS = 1.0")
    with uncommitted(database, INSERT):
        done = following.queuectl("migrate")
    assert done.returncode == 1
    assert (
        "the migration did not get its lock in 1 s. The oldest transactions that are in the way: session"
        in (done.stderr)
    )
    assert "Traceback" not in done.stderr
    assert schema.version_of(database) == versions.latest_version()
    insert_within(database, 3)


@direct_only
def test_an_index_waits_for_older_transactions_and_keeps_nobody_waiting(
    database: DatabaseManager, following: Build
) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN, by_update=INDEX)
    with migrating(following) as process:
        with uncommitted(database, INSERT):
            wait_until_blocked(database)
            [(index, is_valid)] = rows(database, INDEXES)
            assert not is_valid
            insert_within(database, 0.02)
        assert ended(process) == 0
    assert rows(database, INDEXES) == [(index, True)]


@direct_only
def test_an_unfinished_index_is_built_anew(database: DatabaseManager, following: Build) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN, by_update=INDEX)
    url = database.settings.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection, uncommitted(database, INSERT):
        connection.execute("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            connection.execute("CREATE INDEX CONCURRENTLY by_update ON processing_queue (id)")
    [(left_behind, is_valid)] = rows(database, INDEXES)
    assert not is_valid
    assert following.queuectl("migrate").returncode == 0
    [(index, is_valid)] = rows(database, INDEXES)
    assert is_valid
    assert index != left_behind


@direct_only
def test_a_finished_index_is_kept_when_the_rest_is_tried_again(
    database: DatabaseManager, following: Build
) -> None:
    following.add_migration(NEXT, versions.latest_version(), "expand", COLUMN, by_update=INDEX)
    following.change(WAITS, "LONGER_AFTER_SECONDS = 60.0", "LONGER_AFTER_SECONDS = 0.0")
    with migrating(following) as process:
        assert process.stderr is not None
        with uncommitted(database, "SELECT FROM processing_queue"):  # an index build does not wait for it
            assert "the migration did not get its lock" in process.stderr.readline()
            built = rows(database, INDEXES)
            assert [is_valid for _, is_valid in built] == [True]
        assert ended(process) == 0
    assert rows(database, INDEXES) == built
    assert rows(database, HAS_COLOUR) == [(True,)]
