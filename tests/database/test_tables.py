"""The SQLAlchemy metadata for applications matches the migrated database."""

from typing import Any

import pytest
from sqlalchemy import Connection, MetaData, Table, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from queue_store import DatabaseManager, enqueue
from queue_store.database.tables import metadata, processing_queue
from tests.support.flow_rows import register_flow


def described(table: Table) -> list[tuple[str, str, bool, bool]]:
    dialect = postgresql.dialect()
    return [(c.name, plain(c.type).compile(dialect), bool(c.nullable), c.primary_key) for c in table.columns]


def plain(column_type: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type behind a domain: the database checks the domain, and applications see only the base type."""
    return type(column_type.data_type)() if isinstance(column_type, postgresql.DOMAIN) else column_type


def reflected(connection: Connection, table: Table) -> Table:
    return Table(table.name, MetaData(), schema=table.schema, autoload_with=connection)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_each_table_is_as_the_migrations_made_it(database: DatabaseManager, table: Table) -> None:
    with database.engine.connect() as connection:
        assert described(table) == described(reflected(connection, table))


def test_an_application_can_read_its_records(database: DatabaseManager) -> None:
    register_flow(database, "survey")
    with database.engine.begin() as connection:
        record_id = enqueue(connection, "survey", {"name": "Anna"}).id
        found = connection.execute(select(processing_queue).where(processing_queue.c.id == record_id)).one()
    assert (found.status, found.payload, found.priority) == ("pending", {"name": "Anna"}, 5)
