"""The earliest instant that the table accepts is the start of the year 2000 in the time zone of the session that
ran the migrations. A record that is due at this instant is claimed like any other."""

from collections.abc import Callable
from contextlib import ExitStack

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.servers import connect
from tests.support.store import Store, store_on
from tests.support.ways_of_claiming import WAYS

EARLIEST = "2000-01-01 00:00 Pacific/Kiritimati"  # the time zone that is farthest east
AS_IF_MIGRATED_THERE = (
    "SET LOCAL TimeZone = 'Pacific/Kiritimati'",
    "ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_instants",
    "ALTER TABLE processing_queue ADD CONSTRAINT processing_queue_instants"
    " CHECK (scheduled_at >= '2000-01-01' AND scheduled_at < '9999-01-01')",
)


@pytest.mark.parametrize("way", WAYS)
def test_a_record_due_at_it_is_claimed(own_database_url: str, way: Callable[[Store, int], list[int]]) -> None:
    database: DatabaseManager = connect(own_database_url)
    with ExitStack() as stack, store_on(database) as store:
        stack.callback(database.dispose)
        with database.transaction() as cursor:
            for statement in AS_IF_MIGRATED_THERE:
                cursor.execute(statement.encode())
        store.add_flow()
        [record_id] = way(store, 1)
        store.execute("UPDATE processing_queue SET scheduled_at = %s", (EARLIEST,))
        assert [record.id for record in store.run().begin()] == [record_id]
