"""Code works on the schema that it was written for, or on a newer schema that declares itself compatible
(`test_two_versions`). On any other schema, the code refuses to work and names a remedy."""

from collections.abc import Iterator

import pytest

from queue_store.database import schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.errors import SchemaVersionError
from tests.support.servers import connect

TOO_NEW = "9999"


@pytest.fixture
def own_database(own_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(own_database_url)
    yield manager
    manager.dispose()


@pytest.fixture
def empty_database(empty_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(empty_database_url)
    yield manager
    manager.dispose()


def set_version(database: DatabaseManager, version: str) -> None:
    with database.transaction() as cursor:
        cursor.execute("UPDATE schema_version SET version_num = %s", (version,))
        cursor.execute("COMMENT ON TABLE schema_version IS NULL")


def test_the_schema_of_this_code_is_accepted(own_database: DatabaseManager) -> None:
    schema.check_version(own_database)
    assert schema.missing_migrations(own_database.engine) == []


def test_a_schema_that_is_too_new_is_refused_and_left_alone(own_database: DatabaseManager) -> None:
    set_version(own_database, TOO_NEW)
    said = f"the schema is at {TOO_NEW}, which is newer than this code .*: deploy the newer version"
    for refuse in (
        lambda: schema.check_version(own_database),
        lambda: schema.migrate(own_database.engine),
        lambda: schema.missing_migrations(own_database.engine),
    ):
        with pytest.raises(SchemaVersionError, match=said):
            refuse()
    assert schema.current_version(own_database.engine) == TOO_NEW


def test_a_schema_that_is_too_old_says_how_to_migrate(own_database: DatabaseManager) -> None:
    set_version(own_database, versions.LAST_OF_BEFORE)
    said = f"is at {versions.LAST_OF_BEFORE}, but this code needs {versions.latest_version()}: run `queuectl migrate`"
    with pytest.raises(SchemaVersionError, match=said):
        schema.check_version(own_database)


def test_a_database_without_schema_is_refused_until_it_is_migrated(empty_database: DatabaseManager) -> None:
    with pytest.raises(SchemaVersionError, match="is at nothing"):
        schema.check_version(empty_database)
    for _ in range(2):
        schema.migrate(empty_database.engine)
        schema.check_version(empty_database)
