"""Once `queuectl grant-roles` has been run, `queuectl migrate` also grants the roles their rights on what the
migrations add."""

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

from queue_store.database import roles, schema
from queue_store.database.manager import DatabaseManager
from queue_store.queue_schema import role_name
from tasks.cli import main
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import connect

# Recreates a view, as a migration can. The new view has no grants.
MADE_ANEW = """
DO $$ BEGIN
    EXECUTE 'CREATE VIEW copy AS ' || pg_get_viewdef('unblocked_records'::regclass);
    DROP VIEW unblocked_records;
    ALTER VIEW copy RENAME TO unblocked_records;
END $$
"""
MAY_READ = "SELECT has_table_privilege(%s, 'unblocked_records', 'SELECT')"


@pytest.fixture
def migrated(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseManager]:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    manager = connect(own_database_url)
    yield manager
    manager.dispose()


def migrate(*options: str) -> Result:
    result = CliRunner().invoke(main, ["migrate", *options])
    assert result.exit_code == 0, result.output
    return result


def execute(database: DatabaseManager, statement: str) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode())


def may_read(database: DatabaseManager) -> bool:
    with database.transaction() as cursor:
        return bool(cursor.execute(MAY_READ, [role_name("worker")]).fetchall()[0][0])


def test_roles_that_were_granted_get_their_rights_on_what_is_new(migrated: DatabaseManager) -> None:
    roles.grant_roles(migrated)
    execute(migrated, MADE_ANEW)
    assert not may_read(migrated)
    migrate("--dry-run")
    assert not may_read(migrated)
    migrate()
    assert may_read(migrated)


def test_where_no_role_was_granted_none_is(migrated: DatabaseManager) -> None:
    roles.grant_roles(migrated)  # this also creates the roles, which all databases of the server share
    execute(migrated, f"DROP OWNED BY {', '.join(map(role_name, roles.ROLES))}")
    migrate()
    assert not roles.are_granted(migrated)


def test_what_could_not_be_granted_is_said_with_the_command(migrated: DatabaseManager) -> None:
    roles.grant_roles(migrated)
    execute(migrated, f"GRANT CREATE ON SCHEMA {TEST_SCHEMA} TO PUBLIC")
    said = migrate().stderr
    assert "Run `queuectl grant-roles`" in said
    assert f"REVOKE CREATE ON SCHEMA {TEST_SCHEMA} FROM PUBLIC" in said


def test_an_owner_who_may_not_create_roles_grants_those_that_are_there(
    empty_database_url: str, migrated: DatabaseManager
) -> None:
    roles.grant_roles(migrated)  # this creates the roles
    url = make_url(empty_database_url)
    execute(
        migrated,
        "DO $$ BEGIN CREATE ROLE test_owner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
    )
    execute(migrated, f"ALTER DATABASE {url.database} OWNER TO test_owner")
    owner = connect(url.set(username="test_owner").render_as_string(hide_password=False))
    schema.migrate(owner.engine)
    assert not may_read(owner)
    roles.grant_roles(owner)
    assert may_read(owner)
    owner.dispose()
