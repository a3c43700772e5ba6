"""The SQLAlchemy metadata for applications says what the migrated database has."""

import pytest
from sqlalchemy import Connection, MetaData, Table, select
from sqlalchemy.dialects import postgresql

from queue_store import DatabaseManager, enqueue
from queue_store.tables import metadata, processing_queue
from tests.flow_rows import register_flow


def described(table: Table) -> list[tuple[str, str, bool, bool]]:
    dialect = postgresql.dialect()
    return [(c.name, c.type.compile(dialect), bool(c.nullable), c.primary_key) for c in table.columns]


def reflected(connection: Connection, name: str) -> Table:
    return Table(name, MetaData(), autoload_with=connection)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_each_table_is_as_the_migrations_made_it(database: DatabaseManager, table: Table) -> None:
    with database.engine.connect() as connection:
        assert described(table) == described(reflected(connection, table.name))


def test_an_application_can_read_its_records(database: DatabaseManager) -> None:
    register_flow(database, "survey")
    with database.engine.begin() as connection:
        record_id = enqueue(connection, "survey", {"name": "Anna"}).id
        found = connection.execute(select(processing_queue).where(processing_queue.c.id == record_id)).one()
    assert (found.status, found.payload, found.priority) == ("pending", {"name": "Anna"}, 5)
