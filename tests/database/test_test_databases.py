"""Each test gets the database as the migrations left it, whatever the previous test did."""

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.cleaning import DatabaseCleaner


def test_cleaning_removes_rows_and_puts_the_seeds_back(
    database: DatabaseManager, database_cleaner: DatabaseCleaner
) -> None:
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('anything')")
        cursor.execute("UPDATE queue_control SET ingestion_stopped_at = now()")
    database_cleaner.clean()
    with database.transaction() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM processing_queue), (SELECT count(*) FROM rollup_deltas),"
            " (SELECT array_agg(ingestion_stopped_at) FROM queue_control)"
        )
        assert cursor.fetchone() == (0, 0, [None])


@pytest.mark.parametrize("round_number", [1, 2])
def test_a_database_of_its_own_is_fresh_each_time(own_database_url: str, round_number: int) -> None:
    with psycopg.connect(own_database_url) as connection:
        assert connection.execute("SELECT count(*) FROM processing_queue").fetchone() == (0,)
        connection.execute("INSERT INTO processing_queue (flow_name) VALUES ('anything')")
