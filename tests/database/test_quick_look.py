"""If there is nothing to do, `queuectl migrate` says so without loading SQLAlchemy and Alembic. If there is something
to do, the command begins the migration."""

import subprocess
import sys

import pytest

from queue_store.database import roles, schema, versions
from queue_store.database.manager import DatabaseManager
from queue_store.database.quick_look import has_nothing_to_migrate

HEAVY = ("alembic", "sqlalchemy")
MIGRATE = f"""
import sys
from processing_queue.cli import main
try:
    main(["migrate"])
finally:
    assert not {{*{HEAVY}}} & sys.modules.keys()
"""


@pytest.fixture
def url(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    return own_database_url


def change(statement: str) -> None:
    database = DatabaseManager()
    with database.transaction() as cursor:
        cursor.execute(statement.encode())
    database.dispose()


def test_nothing_to_do_is_said_without_sqlalchemy_and_alembic(url: str) -> None:
    done = subprocess.run([sys.executable, "-c", MIGRATE], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"The schema is at {versions.latest_version()} already.\n"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE schema_version SET version_num = '0026'",
        "UPDATE schema_version SET version_num = '9999'",
        "DELETE FROM schema_version",
        "DROP TABLE schema_version",
        "COMMENT ON TABLE schema_version IS 'compatible with something else'",
    ],
)
def test_a_schema_that_differs_is_left_to_the_migration(url: str, statement: str) -> None:
    assert has_nothing_to_migrate()
    change(statement)
    assert not has_nothing_to_migrate()


def test_granted_roles_are_granted_again(url: str) -> None:
    database = DatabaseManager()
    roles.grant_roles(database)
    database.dispose()
    assert not has_nothing_to_migrate()


@pytest.mark.parametrize(
    "url", ["", "mysql://localhost/rpa_db", "postgresql://nobody@127.0.0.1:1/rpa_db", "postgresql://["]
)
def test_what_cannot_be_asked_is_left_to_the_migration(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert not has_nothing_to_migrate()


def test_a_wrong_setting_is_still_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE", "many")
    assert not has_nothing_to_migrate()


def test_the_schema_of_a_migrated_database_is_the_newest(url: str) -> None:
    database = DatabaseManager()
    assert schema.current_version(database.engine) == versions.latest_version()
    database.dispose()
