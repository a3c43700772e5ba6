"""A value that cannot be stored is refused with the name of its field, before anything is written. The
caller's transaction stays usable."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from queue_store import (
    DatabaseManager,
    NewRecord,
    PayloadRejectedError,
    QueueStoreError,
    UnknownFlowError,
    UnknownRecordError,
    enqueue,
    enqueue_many,
)
from queue_store.operators.operators import Operators
from tests.support.flow_rows import register_flow

itself: list[Any] = []
itself.append(itself)
deep: Any = []
for _ in range(200):
    deep = [deep]


@dataclass
class Order:
    number: int


PAYLOADS: dict[str, tuple[Any, str, str]] = {
    "NaN": ({"a": {"b": [1, float("nan")]}}, "payload.a.b[1]", "nan is not a JSON number"),
    "infinity": ([float("inf")], "payload[0]", "inf is not a JSON number"),
    "minus infinity": (float("-inf"), "payload", "-inf"),
    "NUL in a value": ({"a": "x\x00y"}, "payload.a", "NUL"),
    "NUL in a key": ({"a\x00": 1}, "payload", "NUL"),
    "lone surrogate": ({"a": "\ud800"}, "payload.a", "surrogate"),
    "lone surrogate in a key": ({"\udfff": 1}, "payload", "surrogate"),
    "65 bits": ({"a": 2**64}, "payload.a", "beyond 64 bits"),
    "minus 65 bits": ({"a": -(2**63) - 1}, "payload.a", "beyond 64 bits"),
    "bytes": ({"a": b"x"}, "payload.a", "bytes is not JSON"),
    "Decimal": ({"a": Decimal(1)}, "payload.a", "Decimal is not JSON"),
    "datetime": ({"a": datetime.now(UTC)}, "payload.a", "datetime is not JSON"),
    "set": ({"a": {1}}, "payload.a", "set is not JSON"),
    "dataclass": (Order(1), "payload", "Order is not JSON"),
    "object": ({"a": object()}, "payload.a", "object is not JSON"),
    "function": ({"a": len}, "payload.a", "is not JSON"),
    "number as a key": ({1: 1}, "payload", "keys must be text, not int"),
    "None as a key": ({None: 1}, "payload", "keys must be text, not NoneType"),
    "refers to itself": (itself, "payload[0]", "refers to itself"),
    "too deep": (deep, "payload[0]", "deeper than 100"),
    "oversize": ({"a": "x" * 65_536}, "payload", "the limit is 65536"),
}
NOW = datetime.now(UTC)
OPTIONS: dict[str, tuple[dict[str, Any], str, str]] = {
    "priority too low": ({"priority": -1}, "priority", "from 0 to 9, not -1"),
    "priority too high": ({"priority": 10}, "priority", "from 0 to 9, not 10"),
    "priority a text": ({"priority": "5"}, "priority", "not '5'"),
    "priority a truth": ({"priority": True}, "priority", "not True"),
    "priority a float": ({"priority": 5.0}, "priority", "not 5.0"),
    "naive datetime": ({"scheduled_at": datetime(2030, 1, 1)}, "scheduled_at", "time zone"),  # noqa: DTZ001
    "before 2000": ({"scheduled_at": datetime(1999, 12, 31, tzinfo=UTC)}, "scheduled_at", "2000 and 9999"),
    "year 9999": ({"scheduled_at": datetime(9999, 1, 1, tzinfo=UTC)}, "scheduled_at", "2000 and 9999"),
    "end of time": (
        {"scheduled_at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))},
        "scheduled_at",
        "9999",
    ),
    "negative delay": ({"scheduled_at": timedelta(seconds=-1)}, "scheduled_at", "delay"),
    "endless delay": ({"scheduled_at": timedelta.max}, "scheduled_at", "delay"),
    "date as text": ({"scheduled_at": "2030-01-01"}, "scheduled_at", "not str"),
    "seconds": ({"scheduled_at": 60}, "scheduled_at", "not int"),
    "empty key": ({"dedup_key": ""}, "dedup_key", "1 to 255"),
    "long key": ({"dedup_key": "k" * 256}, "dedup_key", "1 to 255"),
    "number as key": ({"dedup_key": 7}, "dedup_key", "text, not int"),
    "bytes as key": ({"order_key": b"k"}, "order_key", "text, not bytes"),
    "UUID as correlation": ({"correlation_id": uuid4()}, "correlation_id", "text, not UUID"),
    "NUL in key": ({"dedup_key": "a\x00"}, "dedup_key", "NUL"),
    "surrogate in key": ({"order_key": "\ud800"}, "order_key", "surrogates"),
    "long trace": ({"trace_context": "x" * 1025}, "trace_context", "1 to 1024"),
}
FLOW_NAMES = ["", " ", "send invoice", "send_invoice ", "SEND_INVOICE", "send\x00invoice", "send_invoic\u0435",
              "\u202eeciovni_dnes", "\ud800", "x" * 10_000, "'; DROP TABLE flows; --"]  # fmt: skip


@pytest.fixture
def session(database: DatabaseManager) -> Any:
    register_flow(database, "send_invoice")
    with Session(database.engine) as session:
        yield session
        enqueue(session, "send_invoice", {"the transaction": "is usable"})
        session.commit()
        stored = session.connection().exec_driver_sql("SELECT payload FROM processing_queue").fetchall()
        assert [row[0] for row in stored] == [{"the transaction": "is usable"}]


@pytest.mark.parametrize("case", PAYLOADS.values(), ids=list(PAYLOADS))
def test_a_payload_that_cannot_be_stored(session: Session, case: tuple[Any, str, str]) -> None:
    payload, field, problem = case
    with pytest.raises(PayloadRejectedError) as caught:
        enqueue(session, "send_invoice", payload)
    assert caught.value.field.startswith(field)
    assert problem in caught.value.problem
    assert len(str(caught.value)) < 300
    with pytest.raises(PayloadRejectedError) as caught:
        enqueue_many(session, "send_invoice", [{}, payload])
    assert caught.value.field.startswith(f"row 1: {field}")


@pytest.mark.parametrize("case", OPTIONS.values(), ids=list(OPTIONS))
def test_an_option_that_makes_no_sense(session: Session, case: tuple[dict[str, Any], str, str]) -> None:
    options, field, problem = case
    for attempt in (
        lambda: enqueue(session, "send_invoice", {}, **options),
        lambda: enqueue_many(session, "send_invoice", [{}], **options),
        lambda: enqueue_many(session, "send_invoice", [{}, NewRecord({}, **options)]),
    ):
        with pytest.raises(PayloadRejectedError) as caught:
            attempt()
        assert caught.value.field.endswith(field)
        assert problem in caught.value.problem


@pytest.mark.parametrize("flow_name", FLOW_NAMES, ids=[ascii(name)[:20] for name in FLOW_NAMES])
def test_a_flow_that_nobody_registered(session: Session, flow_name: str) -> None:
    for attempt in (
        lambda: enqueue(session, flow_name, {}),
        lambda: enqueue_many(session, flow_name, [{}]),
    ):
        with pytest.raises(UnknownFlowError, match="send_invoice") as caught:
            attempt()
        assert str(caught.value).isascii()
        assert len(str(caught.value)) < 300


def test_a_misspelt_flow_is_answered_with_what_was_meant(session: Session) -> None:
    with pytest.raises(UnknownFlowError, match=r"did you mean send_invoice\?"):
        enqueue(session, "send_invioce", {})


@pytest.mark.parametrize("flow_name", [None, 1, b"send_invoice", enqueue])
def test_a_flow_name_is_text(session: Session, flow_name: Any) -> None:
    for write in (lambda: enqueue(session, flow_name, {}), lambda: enqueue_many(session, flow_name, [])):
        with pytest.raises(PayloadRejectedError, match="flow_name: must be text"):
            write()


@pytest.mark.parametrize("choice", ["ignore", None, 1])
def test_a_choice_that_does_not_exist(session: Session, choice: Any) -> None:
    with pytest.raises(PayloadRejectedError, match="on_duplicate: must be raise, skip or replace"):
        enqueue(session, "send_invoice", {}, on_duplicate=choice)


def test_without_any_flow_the_error_says_what_to_start(database: DatabaseManager) -> None:
    with database.transaction() as cursor, pytest.raises(UnknownFlowError, match="start its worker"):
        enqueue(cursor, "send_invoice", {})


def test_a_database_without_the_schema_is_told_to_be_migrated(empty_database_url: str) -> None:
    from tests.support.servers import connect

    database = connect(empty_database_url)
    holding = database.hold(with_sqlalchemy=True)
    with holding as held, pytest.raises(QueueStoreError, match="queuectl migrate"):
        enqueue(held.sqlalchemy, "send_invoice", {})
    database.dispose()


def test_options_of_the_call_beside_a_record_with_its_own_are_refused(database: DatabaseManager) -> None:
    register_flow(database, "survey")
    rows = [{"n": 1}, NewRecord({"n": 2})]
    with database.transaction() as cursor:
        with pytest.raises(PayloadRejectedError, match="row 1: NewRecord: has options of its own"):
            enqueue_many(cursor, "survey", rows, priority=7)
        assert enqueue_many(cursor, "survey", rows).inserted_count == 2


@pytest.mark.parametrize("priority", [10, 99, -1, True, 1.0, "5", None])
def test_a_priority_that_there_is_not_is_refused_for_records_that_are_there(
    database: DatabaseManager, priority: Any
) -> None:
    with pytest.raises(PayloadRejectedError, match="priority: must be a whole number from 0 to 9"):
        Operators(database).change_priority([1], priority, actor="Olga")


@pytest.mark.parametrize(
    "record_ids", ["12", ["1"], [1, "x"], [1, 0], [1, 2**63], [1, 1.0], [1, None], [True]]
)
def test_what_cannot_be_an_id_changes_no_record(database: DatabaseManager, record_ids: Any) -> None:
    register_flow(database, "alpha")
    with database.transaction() as cursor:
        enqueue_many(cursor, "alpha", [{}, {}], priority=3)
    operators = Operators(database)
    for action in (
        lambda: operators.cancel(record_ids, actor="Olga"),
        lambda: operators.reset(record_ids, actor="Olga"),
        lambda: operators.change_priority(record_ids, 7, actor="Olga"),
    ):
        with pytest.raises(UnknownRecordError, match="whole number from 1"):
            action()
    with database.transaction() as cursor:
        found = cursor.execute("SELECT DISTINCT status, priority FROM processing_queue").fetchall()
        assert found == [("pending", 3)]
        assert cursor.execute("SELECT * FROM audit_log").fetchall() == []


@pytest.mark.parametrize("rows", ["abc", b"abc", {"order": 1}, None, 7])
def test_what_is_no_list_of_payloads_is_refused(database: DatabaseManager, rows: Any) -> None:
    register_flow(database, "alpha")
    with (
        pytest.raises(PayloadRejectedError, match="rows: must be a list"),
        database.transaction() as cursor,
    ):
        enqueue_many(cursor, "alpha", rows)
