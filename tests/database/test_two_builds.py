"""This code works on the schema of the next release, so that operators can go back to this code. This code refuses the
schema of the release after the next one. The later releases are copies of this code with further migrations."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg.types.json import Jsonb

from queue_store.database import schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.errors import SchemaVersionError
from queue_store.liveness import worker_processes
from tests.arrows.test_two_versions import take_every_arrow
from tests.support.builds import Build
from tests.support.servers import connect
from tests.support.store import store_on

EXPANDED, CONTRACTED = "0901_expanded", "0902_contracted"
EXPAND = (
    "ALTER TABLE processing_queue ADD COLUMN colour text; CREATE TABLE colours (colour text PRIMARY KEY);"
)
CONTRACT = "ALTER TABLE flow_execution_logs DROP COLUMN leaves_unfinished;"


@pytest.fixture
def database(own_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(own_database_url)
    yield manager
    manager.dispose()


@pytest.fixture
def this(tmp_path: Path, own_database_url: str) -> Build:
    return Build(tmp_path / "this", own_database_url)


@pytest.fixture
def following(tmp_path: Path, own_database_url: str) -> Build:
    """The next release, which has an expanding migration."""
    build = Build(tmp_path / "following", own_database_url)
    build.add_migration(EXPANDED, versions.latest_version(), "expand", EXPAND)
    return build


@pytest.fixture
def last(tmp_path: Path, own_database_url: str) -> Build:
    """The release after the next one. Its contracting migration removes a column that only this code needs."""
    build = Build(tmp_path / "last", own_database_url)
    build.add_migration(EXPANDED, versions.latest_version(), "expand", EXPAND)
    build.add_migration(CONTRACTED, EXPANDED, f"contract. Serves code from {EXPANDED}", CONTRACT)
    build.serves_code_from(EXPANDED)
    return build


def migrated(build: Build) -> str:
    done = build.queuectl("migrate")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_this_code_works_on_the_schema_of_the_next_release(
    database: DatabaseManager, this: Build, following: Build
) -> None:
    assert f"The schema is at {EXPANDED}." in migrated(following)
    schema.check_version(database)
    take_every_arrow(database)
    done = this.queuectl("status")
    assert done.returncode == 0, done.stderr
    assert f"at {EXPANDED}, which fits this code." in this.queuectl("doctor").stdout
    assert following.queuectl("status").returncode == 0


def test_this_code_leaves_the_schema_of_the_next_release_alone(
    database: DatabaseManager, this: Build, following: Build
) -> None:
    migrated(following)
    said = f"The schema is at {EXPANDED}, which is newer and serves this release: nothing to do.\n"
    assert migrated(this) == said
    assert this.queuectl("migrate", "--dry-run").stdout == said
    assert schema.version_of(database) == EXPANDED
    schema.check_version(database)


def test_the_next_release_refuses_the_schema_of_this_code_until_it_has_migrated(following: Build) -> None:
    said = f"is at {versions.latest_version()}, but this code needs {EXPANDED}: run `queuectl migrate`"
    for refused in (following.queuectl("status"), following.celery("worker"), following.celery("beat")):
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "Traceback" not in refused.stderr
    assert said in following.queuectl("doctor").stdout
    migrated(following)
    assert following.queuectl("status").returncode == 0


def test_code_of_two_releases_before_is_refused_by_every_process(
    database: DatabaseManager, this: Build, following: Build, last: Build
) -> None:
    migrated(last)
    said = f"the schema is at {CONTRACTED}, which is newer than this code ({versions.latest_version()})"
    for refused in (
        this.queuectl("status"),
        this.celery("worker"),
        this.celery("beat"),
        this.queuectl("migrate"),
    ):
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "deploy the newer version of processing-queue" in refused.stderr
        assert "Traceback" not in refused.stderr
    assert said in this.queuectl("doctor").stdout
    with pytest.raises(SchemaVersionError, match="newer than this code"):
        schema.check_version(database)
    assert following.queuectl("status").returncode == 0


def test_a_contract_waits_until_no_worker_needs_what_it_removes(
    database: DatabaseManager, last: Build
) -> None:
    with store_on(database) as store:
        old = store.worker_process()
        done = last.queuectl("migrate")
        assert done.returncode == 1
        assert "removes a part of the schema that running workers need: host (process 1)" in done.stderr
        assert f"Deploy a release of schema {EXPANDED} or newer first" in done.stderr
        assert schema.version_of(database) == versions.latest_version()

        with database.transaction() as cursor:
            worker_processes.end(cursor, old)
        store.worker_process()
        of_the_next_release = Jsonb({"schema": EXPANDED})
        store.execute(
            "UPDATE worker_processes SET versions = %s WHERE state = 'running'", (of_the_next_release,)
        )
        migrated(last)
        assert schema.version_of(database) == CONTRACTED


def test_an_expansion_waits_for_nobody(database: DatabaseManager, following: Build) -> None:
    with store_on(database) as store:
        store.worker_process()
        migrated(following)
