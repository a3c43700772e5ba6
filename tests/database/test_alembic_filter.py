"""An application's Alembic proposes neither to drop nor to create our tables."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, inspect

from queue_store.database import tables
from queue_store.database.alembic_filter import OUR_TABLES, include_object
from queue_store.settings import parse_database_url

# One of our columns has Postgres' type xid8, which SQLAlchemy does not know.
pytestmark = pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8'")


def compared(url: str, models: Any, **options: Any) -> list[Any]:
    engine = create_engine(parse_database_url(url).render_as_string(hide_password=False))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        changes = list(compare_metadata(context, models))
    engine.dispose()
    return [change for change in changes if isinstance(change, tuple)]


def proposals(url: str, models: Any, **options: Any) -> list[str]:
    """The table changes that autogenerate proposes, for example `add_table orders`."""
    changes = compared(url, models, **options)
    return sorted(f"{change[0]} {change[1].name}" for change in changes if change[0].endswith("_table"))


@pytest.fixture
def models() -> MetaData:
    metadata = MetaData()
    Table("orders", metadata, Column("id", Integer, primary_key=True))
    return metadata


def test_the_filter_names_every_table_of_ours(own_database_url: str) -> None:
    engine = create_engine(parse_database_url(own_database_url).render_as_string(hide_password=False))
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    assert names == OUR_TABLES


def test_only_the_tables_of_the_application_are_proposed(own_database_url: str, models: MetaData) -> None:
    assert proposals(own_database_url, models, include_object=include_object) == ["add_table orders"]
    assert "remove_table processing_queue" in proposals(own_database_url, models)


def test_an_application_may_list_our_metadata_beside_its_own(own_database_url: str, models: MetaData) -> None:
    both = [models, tables.metadata]
    assert proposals(own_database_url, both, include_object=include_object) == ["add_table orders"]


def test_a_dropped_model_of_the_application_is_still_proposed(
    own_database_url: str, models: MetaData
) -> None:
    engine = create_engine(parse_database_url(own_database_url).render_as_string(hide_password=False))
    models.create_all(engine)
    engine.dispose()
    assert proposals(own_database_url, MetaData(), include_object=include_object) == ["remove_table orders"]


def test_a_table_of_the_application_that_has_our_name_is_compared(own_database_url: str) -> None:
    models = MetaData()
    Table("alerts", models, Column("id", Integer, primary_key=True), Column("sound", Integer))
    added = [
        change
        for change in compared(own_database_url, models, include_object=include_object)
        if change[0] == "add_column"
    ]
    assert [(change[2], change[3].name) for change in added] == [("alerts", "sound")]
