"""on_duplicate="replace" replaces the payload and the options that are given. All other options keep their
values. This holds for every way to enqueue."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from queue_store import DatabaseManager, NewRecord, enqueue, enqueue_many
from tests.support.flow_rows import register_flow

LATER = datetime(2040, 1, 1, tzinfo=UTC)
FIRST = {"priority": 2, "scheduled_at": LATER, "order_key": "o", "correlation_id": "c"}
SECOND = {
    "priority": 7,
    "scheduled_at": datetime(2041, 1, 1, tzinfo=UTC),
    "order_key": "p",
    "correlation_id": "d",
}
Door = Callable[[Any, dict[str, Any]], object]


def one(cursor: Any, options: dict[str, Any]) -> object:
    return enqueue(cursor, "survey", {"n": 2}, dedup_key="k", on_duplicate="replace", **options)


def many(cursor: Any, options: dict[str, Any]) -> object:
    row = NewRecord({"n": 2}, dedup_key="k", **options)
    return enqueue_many(cursor, "survey", [row], on_duplicate="replace")


def sql(cursor: Any, options: dict[str, Any]) -> object:
    named = "".join(f", {name} => %({name})s" for name in options)
    return cursor.execute(
        "SELECT enqueue_record('survey', '{\"n\": 2}', dedup_key => 'k', on_duplicate => 'replace'"
        + named
        + ")",
        options,
    )


@pytest.mark.parametrize("door", [one, many, sql])
@pytest.mark.parametrize("said", [SECOND, {}, {"priority": 7}], ids=["all", "nothing", "priority"])
def test_what_is_said_is_applied_and_what_is_not_stays(
    database: DatabaseManager, door: Door, said: dict[str, Any]
) -> None:
    register_flow(database, "survey")
    with database.transaction() as cursor:
        enqueue(cursor, "survey", {"n": 1}, dedup_key="k", **FIRST)
        door(cursor, said)
        cursor.execute("SELECT * FROM processing_queue")
        [record] = cursor.fetchall()
        names = [column.name for column in cursor.description]
    row = dict(zip(names, record, strict=True))
    assert row["payload"] == {"n": 2}
    assert {name: row[name] for name in FIRST} == FIRST | said
