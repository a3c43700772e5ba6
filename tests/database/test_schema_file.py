"""queue_store/migrations/schema.sql describes exactly what the migrations build, on every version of Postgres and
in a schema of any name. It omits nothing that matters."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from queue_store.database import roles
from queue_store.queue_schema import in_queue_schema
from tests.support.described_schema import FILE, described
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import PostgresServer, connect

CHANGES = {
    "a column": "ALTER TABLE beats ADD COLUMN mood text",
    "a default": "ALTER TABLE flows ALTER COLUMN declared SET DEFAULT '[]'",
    "a check": "ALTER TABLE flows DROP CONSTRAINT flows_celery_queue_check",
    "a nullable column": "ALTER TABLE flows ALTER COLUMN celery_queue DROP NOT NULL",
    "a storage option": "ALTER TABLE processing_queue RESET (autovacuum_vacuum_threshold)",
    "an option of the TOAST table": "ALTER TABLE processing_queue SET (toast.autovacuum_enabled = false)",
    "an option of a column": "ALTER TABLE processing_queue ALTER COLUMN status SET (n_distinct = 5)",
    "statistics": "ALTER TABLE processing_queue ALTER COLUMN status SET STATISTICS 500",
    "an unlogged table": "ALTER TABLE flows SET UNLOGGED",
    "a sequence": "ALTER SEQUENCE rollup_deltas_id_seq CACHE 100",
    "the sequence of an identity column": "ALTER TABLE processing_queue ALTER COLUMN id SET INCREMENT BY 2",
    "an index": "DROP INDEX processing_queue_failed",
    "an option of an index": "ALTER INDEX processing_queue_failed SET (fillfactor = 50)",
    "a trigger": "ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions",
    "a function": "ALTER FUNCTION purge_audit COST 7",
    "who executes it": "GRANT EXECUTE ON FUNCTION purge_audit TO PUBLIC",
    "an aggregate": "DROP AGGREGATE sum_histograms(bigint[])",
    "a view": "ALTER VIEW running_keys RESET (security_invoker)",
    "a domain": "ALTER DOMAIN flow_name SET DEFAULT 'x'",
    "a comment": "COMMENT ON TABLE flows IS 'flows'",
    "a right": "GRANT DELETE ON flows TO PUBLIC",
    "a right on a column": "GRANT SELECT (payload) ON processing_queue TO PUBLIC",
    "a row": "UPDATE queue_control SET processing_stop_reason = 'why'",
    "another row": "INSERT INTO producer_flows VALUES ('somebody', 'letters')",
    "row security": "ALTER TABLE flows ENABLE ROW LEVEL SECURITY",
    "a type": "CREATE TYPE mood AS ENUM ('good', 'bad')",
    "a rule": "CREATE RULE keep AS ON DELETE TO flows DO INSTEAD NOTHING",
    "default privileges": "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
    "a sequence that was used": "SELECT nextval('alerts_id_seq')",  # ROLLBACK does not undo it
}


@pytest.fixture(scope="module")
def granted(postgres_server: PostgresServer, template_database: str) -> Iterator[psycopg.Connection[Any]]:
    name = postgres_server.create_database(template=template_database)
    database = connect(postgres_server.direct_url(name), pgbouncer=False)
    roles.grant_roles(database)
    database.dispose()
    with psycopg.connect(postgres_server.direct_url(name)) as connection:
        yield connection
    postgres_server.drop_database(name)


def test_it_says_what_the_migrations_make(granted: psycopg.Connection[Any]) -> None:
    assert described(granted) == FILE.read_text(), "run `make schema`, and read what it changes"


@pytest.mark.usefixtures("granted")  # creates the roles, which belong to the whole server
def test_executed_it_makes_the_same(empty_database_url: str) -> None:
    statements = re.sub(r"(?m)^CREATE ROLE .*$", "", FILE.read_text()).encode()
    with psycopg.connect(empty_database_url) as connection:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {TEST_SCHEMA}".encode())
        connection.execute("SET LOCAL check_function_bodies = off")
        connection.execute(in_queue_schema(statements))
        assert described(connection) == FILE.read_text()


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_it_tells_a_schema_from_another(granted: psycopg.Connection[Any], statement: str) -> None:
    with granted.transaction(force_rollback=True):
        before = described(granted)
        granted.execute(statement.encode())
        assert described(granted) != before
