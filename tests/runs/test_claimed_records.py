"""A claimed record has the values of its row, whichever statement claimed it."""

from collections.abc import Callable
from dataclasses import fields

import pytest
from sqlalchemy import select

from queue_store.database.tables import processing_queue
from queue_store.records.record import Record
from tests.support.store import Store
from tests.support.ways_of_claiming import WAYS, next_of_each_key

# No two columns of one type have the same value, so that a test notices two swapped columns.
DISTINCT = """
UPDATE processing_queue SET claim_number = 6, priority = 3, retry_count = 2, crash_strikes = 1,
    scheduled_at = '2026-01-02T00:00Z', created_at = '2026-01-01T00:00Z', order_key = 'a key',
    correlation_id = 'a correlation', trace_context = 'a trace', payload = '{"n": 9}'
"""


@pytest.mark.parametrize("way", WAYS)
def test_every_field_is_the_column_of_its_name(store: Store, way: Callable[[Store, int], list[int]]) -> None:
    [record_id] = way(store, 1)
    store.execute("ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions")
    try:
        store.execute(DISTINCT)
    finally:
        store.execute("ALTER TABLE processing_queue ENABLE TRIGGER only_known_transitions")
    run = store.run()
    if way is next_of_each_key:
        run.position.scan_keys_for(float("inf"))
    [record] = run.begin()
    assert record.payload == {"n": 9}
    named = {field.name.replace("_microseconds", "_at") for field in fields(Record)}
    columns = named - {"jsonb", "timezone"}
    with store.database.engine.connect() as connection:
        row = connection.execute(select(processing_queue).where(processing_queue.c.id == record_id)).one()
    assert {name: getattr(record, name) for name in columns} == {name: getattr(row, name) for name in columns}


def test_instants_are_in_the_time_zone_of_the_session(store: Store) -> None:
    store.enqueue(1)
    store.execute("UPDATE processing_queue SET scheduled_at = '2026-01-01T23:30Z'")
    run = store.run()
    run.held.driver.execute("SET TimeZone = 'Asia/Tokyo'").connection.commit()
    try:
        [record] = run.begin()
        assert str(record.scheduled_at) == "2026-01-02 08:30:00+09:00"
    finally:
        run.held.driver.execute("RESET TimeZone").connection.commit()
