"""Every way into the queue applies the same rule to the names of flows."""

from typing import Any

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.distributed_processor import DistributedProcessor
from queue_store.errors import UnknownFlowError
from queue_store.flow_names import is_flow_name
from tasks.authoring.declaration import declare
from tasks.exceptions import FlowDeclarationError

ACCEPTED = ("a", "survey", "shop.orders.send_invoice", "Send-Invoice", "_private", "v2.0", "A" * 255)
REFUSED = ("", "2fast", ".hidden", "-x", "a b", "a\n", "naïve", "a/b", "a'b", "a\x00", "a" * 256)
ADD_FLOW = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
VALUES (%s, 'celery', 10, 3, 60)
"""
COUNTED = b"CREATE DOMAIN pg_temp.counted AS text CHECK (VALUE ~ '^[A-Za-z_][A-Za-z0-9_.-]{0,254}$')"
NAMES_READ = b"""
EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) SELECT max(length(%s))
FROM (SELECT repeat('a', 250) || n AS name FROM generate_series(10000, 12000) n OFFSET 0) names
"""


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_names(database: DatabaseManager, name: str) -> None:
    assert is_flow_name(name)
    assert declare(lambda payload: None, {"name": name}).name == name
    processor = DistributedProcessor(database)
    with database.transaction() as cursor:
        cursor.execute(ADD_FLOW.encode(), (name,))
    record_id = processor.enqueue(name, {}).id
    assert processor.find_unfinished(name) == [record_id]
    with database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name, payload) VALUES (%s, '{}')", (name,))


@pytest.mark.parametrize("name", REFUSED)
def test_refused_names(database: DatabaseManager, name: str) -> None:
    assert not is_flow_name(name)
    with pytest.raises(FlowDeclarationError, match="a name is 1 to 255 letters, digits"):
        declare(lambda payload: None, {"name": name})
    with pytest.raises(UnknownFlowError, match="no flow"):
        DistributedProcessor(database).enqueue(name, {})
    with pytest.raises(UnknownFlowError, match="no flow"):
        DistributedProcessor(database).enqueue_many(name, [{}])
    if "\x00" not in name:
        for statement in (ADD_FLOW, "INSERT INTO processing_queue (flow_name, payload) VALUES (%s, '{}')"):
            with pytest.raises(psycopg.errors.CheckViolation), database.transaction() as cursor:
                cursor.execute(statement.encode(), (name,))


def test_capitals_are_no_reason_not_to_say_what_was_meant(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute(ADD_FLOW.encode(), ("shop.SendInvoice",))
    with pytest.raises(UnknownFlowError, match=r"did you mean shop\.SendInvoice\?"):
        DistributedProcessor(database).enqueue("Shop.sendinvoice", {})


def test_checking_a_long_name_costs_a_fraction_of_what_a_pattern_with_a_count_costs(
    database: DatabaseManager,
) -> None:
    """A regular expression with a count such as {0,254} costs more than everything else in a bulk insert."""
    times: dict[bytes, list[float]] = {b"name::flow_name": [], b"name::pg_temp.counted": []}
    with database.transaction() as cursor:
        cursor.execute(COUNTED)
        for _ in range(5):
            for expression, milliseconds in times.items():
                milliseconds.append(time_of_reading(cursor, expression))
    checked, counted = map(min, times.values())
    assert checked < counted / 10


def time_of_reading(cursor: psycopg.Cursor[Any], expression: bytes) -> float:
    """The milliseconds that Postgres takes for 2,001 names of 255 characters."""
    [[[plan]]] = cursor.execute(NAMES_READ % expression).fetchall()
    return float(plan["Execution Time"])
