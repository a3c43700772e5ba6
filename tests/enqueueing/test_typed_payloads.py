"""In a process that has imported a flow, every way to enqueue refuses a payload that does not fit the flow's type.
The error names the path of the field."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pydantic
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from queue_store import (
    DatabaseManager,
    NewRecord,
    PayloadRejectedError,
    QueueStoreError,
    aenqueue,
    enqueue,
    enqueue_many,
)
from tasks import FlowContext, flow
from tasks.authoring.registry import empty_registry
from tests.authoring.typed_payloads import KINDS, PATH, STORED, WRONG, Kind, ModelOrder, an_order, handler_of
from tests.support.flow_rows import register_flow
from tests.support.flow_runs import Worker

MISFIT = "payload.due"


@pytest.fixture
def invoices(database: DatabaseManager) -> Iterator[Callable[[Any], Any]]:
    """A function that declares the flow `send_invoice` with a payload type."""
    register_flow(database, "send_invoice")
    with empty_registry():
        yield lambda annotation: flow(handler_of(annotation, print))


def payloads(database: DatabaseManager) -> list[Any]:
    with database.transaction() as cursor:
        cursor.execute("SELECT payload FROM processing_queue ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_objects_and_their_json_are_stored_alike(
    invoices: Callable[[Any], Any], database: DatabaseManager, kind: Kind
) -> None:
    send_invoice = invoices(kind.order)
    with database.engine.begin() as connection:
        send_invoice.enqueue(connection, an_order(kind))
        send_invoice.enqueue(connection, STORED)
        enqueue(connection, "send_invoice", an_order(kind))
        send_invoice.enqueue_many(connection, [an_order(kind), NewRecord(an_order(kind), priority=1)])
    assert payloads(database) == [STORED] * 5


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_does_not_fit_is_refused_with_its_path(
    invoices: Callable[[Any], Any], database: DatabaseManager, kind: Kind
) -> None:
    send_invoice = invoices(kind.order)
    wrong_object = kind.order(**STORED | {"lines": []}) if kind.order is not ModelOrder else None
    with database.engine.begin() as connection:
        for refused in (
            lambda: send_invoice.enqueue(connection, WRONG),
            lambda: enqueue(connection, "send_invoice", WRONG),
            lambda: enqueue_many(connection, "send_invoice", [STORED, WRONG]),
            lambda: send_invoice.enqueue_many(connection, [NewRecord(STORED), NewRecord(WRONG)]),
        ):
            with pytest.raises(PayloadRejectedError) as error:
                refused()
            assert error.value.field.endswith(PATH)
        if wrong_object is not None and kind is not KINDS["TypedDict"]:
            wrong_object.due = 5
            with pytest.raises(PayloadRejectedError) as error:
                send_invoice.enqueue(connection, wrong_object)
            assert error.value.field == MISFIT
    assert payloads(database) == []


def test_a_model_that_was_changed_after_its_checks_is_refused(
    invoices: Callable[[Any], Any], database: DatabaseManager
) -> None:
    send_invoice = invoices(ModelOrder)
    order = ModelOrder.model_construct(order_id="many", due=date(2027, 1, 31), lines=[])
    with database.engine.begin() as connection, pytest.raises(PayloadRejectedError) as error:
        send_invoice.enqueue(connection, order)
    assert error.value.field == "payload.order_id"


def test_asynchronously(invoices: Callable[[Any], Any], database: DatabaseManager) -> None:
    send_invoice = invoices(ModelOrder)

    async def place() -> None:
        engine = create_async_engine(database.engine.url)
        async with engine.begin() as connection:
            await send_invoice.aenqueue(connection, ModelOrder.model_validate(STORED), priority=2)
            await send_invoice.aenqueue_many(connection, [STORED])
            with pytest.raises(PayloadRejectedError, match=r"lines\[0\]"):
                await aenqueue(connection, "send_invoice", WRONG)
            with pytest.raises(PayloadRejectedError, match=r"lines\[0\]"):
                await send_invoice.aenqueue_many(connection, [WRONG])
        await engine.dispose()

    asyncio.run(place())
    assert payloads(database) == [STORED, STORED]


def test_a_follow_up_is_checked_as_well(worker: Worker, invoices: Callable[[Any], Any]) -> None:
    invoices(ModelOrder)

    def order(payload: dict[str, Any], context: FlowContext) -> None:
        context.enqueue("send_invoice", payload)

    rows = worker.process(order, [STORED, WRONG])
    assert [row.status for row in rows] == ["completed", "failed"]
    assert PATH in rows[1].error_message


def test_aliases_and_computed_fields_come_back(worker: Worker) -> None:
    class Bill(pydantic.BaseModel, extra="forbid"):
        number: int = pydantic.Field(alias="billNumber")

        @pydantic.computed_field
        @property
        def text(self) -> str:
            return f"bill {self.number}"

    given: list[Bill] = []
    with empty_registry():
        bill_flow = flow(handler_of(Bill, given.append, "bill"))
        declared = worker.declare(bill_flow)
        with worker.services.database.engine.begin() as connection:
            bill_flow.enqueue(connection, Bill(billNumber=4))
        worker.run(declared)
    assert [bill.text for bill in given] == ["bill 4"]


def test_a_secret_is_not_stored_as_asterisks(
    invoices: Callable[[Any], Any], database: DatabaseManager
) -> None:
    class Login(pydantic.BaseModel):
        token: pydantic.SecretStr

    class Sent(Login):
        @pydantic.field_serializer("token")
        def shown(self, token: pydantic.SecretStr) -> str:
            return token.get_secret_value()

    with database.engine.begin() as connection:
        with pytest.raises(PayloadRejectedError, match="field_serializer"):
            invoices(Login).enqueue(connection, Login(token=pydantic.SecretStr("a")))
        invoices(Sent).enqueue(connection, Sent(token=pydantic.SecretStr("a")))
    assert payloads(database) == [{"token": "a"}]


def test_a_function_of_two_flows_is_enqueued_by_name(
    invoices: Callable[[Any], Any], database: DatabaseManager
) -> None:
    send = invoices(ModelOrder)
    flow(name="send_copy")(send)
    with database.engine.begin() as connection:
        with pytest.raises(QueueStoreError, match="the flows send_invoice, send_copy: enqueue by name"):
            send.enqueue(connection, STORED)
        enqueue(connection, "send_invoice", STORED)


def test_values_that_no_record_holds_are_refused_with_their_place(
    invoices: Callable[[Any], Any], database: DatabaseManager
) -> None:
    class Price(pydantic.BaseModel):
        amount: float | None = None
        text: str = ""
        count: int = 0

    price = invoices(Price)
    with database.engine.begin() as connection:
        for value, field in (
            (Price(amount=float("nan")), "payload.amount"),
            (Price(text="\x00"), "payload.text"),
            (Price(count=2**70), "payload.count"),
        ):
            with pytest.raises(PayloadRejectedError) as error:
                price.enqueue(connection, value)
            assert error.value.field == field
