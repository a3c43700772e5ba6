"""A typed payload arrives with the values that were enqueued. If its type would lose a value, enqueueing refuses the
object and names the field."""

from collections.abc import Callable
from dataclasses import field
from typing import Any

import pydantic
import pytest
from celery.schedules import crontab
from pydantic import AliasChoices, AliasGenerator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

from queue_store import PayloadRejectedError
from tasks import flow
from tasks.authoring.registry import empty_registry
from tests.authoring.typed_payloads import ModelOrder, handler_of
from tests.support.flow_runs import Worker

given: list[Any] = []


@pytest.fixture
def send(worker: Worker) -> Callable[..., None]:
    """A function that enqueues a payload of a type, and runs the flow."""
    given.clear()

    def sent(annotation: Any, payload: Any, **options: Any) -> None:
        with empty_registry():
            declared_flow = flow(**options)(handler_of(annotation, given.append))
            declared = worker.declare(handler_of(annotation, given.append), **options)
            with worker.services.database.engine.begin() as connection:
                declared_flow.enqueue(connection, payload)
            worker.run(declared)

    return sent


class ReadElsewhere(pydantic.BaseModel):
    amount: int = Field(0, validation_alias="sum")


class ReadUnderChoices(pydantic.BaseModel):
    amount: int = Field(0, validation_alias=AliasChoices("sum", "total"))


class WrittenElsewhere(pydantic.BaseModel):
    amount: int = Field(0, serialization_alias="sum")


class Generated(pydantic.BaseModel):
    model_config = ConfigDict(
        alias_generator=AliasGenerator(validation_alias=to_camel), validate_by_name=False, defer_build=True
    )
    the_amount: int = 0


class Inner(pydantic.BaseModel):
    lines: list[ReadElsewhere]


@dataclass
class NotRead:
    order_id: int
    amount: int = field(init=False, default=0)


class Small(pydantic.BaseModel):
    order_id: int


class Large(Small):
    amount: int = 0


class OpenElsewhere(ReadElsewhere, extra="allow"):
    pass


class OpenWritten(WrittenElsewhere, extra="allow"):
    pass


class OpenOutside(pydantic.BaseModel):
    inner: OpenWritten


class FirstOfUnion(pydantic.BaseModel):
    order: Small | Large = Field(union_mode="left_to_right")


def not_read() -> NotRead:
    order = NotRead(1)
    order.amount = 7
    return order


def of(annotation: Any, **fields: Any) -> Any:
    return annotation.model_validate(fields)


LOST: list[tuple[Any, Any, str]] = [
    (ReadElsewhere, of(ReadElsewhere, sum=7), "payload.amount"),
    (ReadUnderChoices, of(ReadUnderChoices, total=7), "payload.amount"),
    (WrittenElsewhere, WrittenElsewhere(amount=7), "payload.sum"),
    (Generated, of(Generated, theAmount=7), "payload.the_amount"),
    (
        Inner,
        Inner(lines=[of(ReadElsewhere), of(ReadElsewhere, sum=7)]),
        "payload.lines[1].amount",
    ),
    (list[ReadElsewhere], [of(ReadElsewhere, sum=7)], "payload[0].amount"),
    (dict[str, ReadElsewhere], {"a": of(ReadElsewhere, sum=7)}, "payload.a.amount"),
    (NotRead, not_read(), "payload.amount"),
    (FirstOfUnion, FirstOfUnion.model_construct(order=Large(order_id=1, amount=7)), "payload.order.amount"),
    (OpenElsewhere, of(OpenElsewhere, sum=7), "payload.amount"),
    (list[OpenOutside], [OpenOutside(inner=OpenWritten(amount=7))], "payload[0].inner.sum"),
]


@pytest.mark.parametrize(("annotation", "payload", "place"), LOST)
def test_an_object_that_would_lose_a_value_is_refused(
    send: Callable[..., None], annotation: Any, payload: Any, place: str
) -> None:
    with pytest.raises(PayloadRejectedError, match="the handler would get another value") as error:
        send(annotation, payload)
    assert error.value.field == place


class ReadByName(pydantic.BaseModel):
    model_config = ConfigDict(validate_by_name=True)
    amount: int = Field(0, validation_alias="sum")
    tags: set[str] = set()


class ReadUnderItsName(pydantic.BaseModel):
    amount: int = Field(0, validation_alias=AliasChoices("sum", "amount"))


class Order(pydantic.BaseModel):
    order: ReadElsewhere
    note: str = ""


class OrderReadElsewhere(pydantic.BaseModel):
    order: ReadElsewhere = Field(default_factory=lambda: of(ReadElsewhere), validation_alias="o")


KEPT: list[tuple[Any, Any, Any]] = [
    (ReadElsewhere, of(ReadElsewhere), of(ReadElsewhere)),
    (ReadElsewhere, {"sum": 7}, of(ReadElsewhere, sum=7)),
    (
        list[ReadElsewhere],
        [{"sum": "7"}, {}],
        [of(ReadElsewhere, sum=7), of(ReadElsewhere)],
    ),
    (
        ReadByName,
        of(ReadByName, amount=7, tags=set("abcdefgh")),
        of(ReadByName, sum=7, tags=set("hgfedcba")),
    ),
    (
        ReadUnderItsName,
        of(ReadUnderItsName, sum=7),
        of(ReadUnderItsName, sum=7),
    ),
    (ReadElsewhere, {}, of(ReadElsewhere)),
    (Order, {"order": of(ReadElsewhere)}, of(Order, order={})),
    (OrderReadElsewhere, {"o": of(ReadElsewhere)}, of(OrderReadElsewhere)),
    (dict[str, ReadElsewhere], {}, {}),
    (
        OpenElsewhere,
        of(OpenElsewhere, sum=7, more=1).model_copy(update={"amount": 0}),
        of(OpenElsewhere, amount=0, more=1),
    ),
]


@pytest.mark.parametrize(("annotation", "payload", "arrives"), KEPT)
def test_what_loses_no_value_arrives(
    send: Callable[..., None], annotation: Any, payload: Any, arrives: Any
) -> None:
    send(annotation, payload)
    assert given == [arrives]


def test_a_schedule_may_send_an_empty_dictionary() -> None:
    with empty_registry():
        flow(schedule=crontab(hour=3))(handler_of(ReadElsewhere, given.append))


class Hidden(pydantic.Secret[str]):
    def _display(self) -> str:
        return "hidden"


class Sent(pydantic.BaseModel):
    token: pydantic.Secret[str]
    note: str = ""

    @pydantic.field_serializer("token", when_used="json")
    def shown(self, token: pydantic.Secret[str]) -> str:
        return token.get_secret_value()


class Login(pydantic.BaseModel):
    token: pydantic.Secret[str]


class HiddenLogin(pydantic.BaseModel):
    tokens: list[Hidden]


@pytest.mark.parametrize(
    "payload",
    [Login(token=pydantic.Secret[str]("a")), HiddenLogin(tokens=[Hidden("a")])],
    ids=["plain", "own"],
)
def test_a_secret_of_any_kind_is_not_stored_as_its_mask(send: Callable[..., None], payload: Any) -> None:
    with pytest.raises(PayloadRejectedError, match="field_serializer"):
        send(type(payload), payload)


def test_a_secret_with_a_serializer_arrives(send: Callable[..., None]) -> None:
    send(Sent, Sent(token=pydantic.Secret[str]("a")))
    send(Login, {"token": "b"})
    assert [one.token.get_secret_value() for one in given] == ["a", "b"]


class Label(pydantic.BaseModel, frozen=True):
    name: str


class Tagged(pydantic.BaseModel):
    token: pydantic.SecretStr | None = None
    tags: set[Label] = set()


def test_a_secret_among_sets_of_models_is_refused_and_no_secret_is_no_harm(send: Callable[..., None]) -> None:
    send(Tagged, Tagged(tags={Label(name="a")}))
    assert given == [Tagged(tags={Label(name="a")})]
    with pytest.raises(PayloadRejectedError, match="field_serializer"):
        send(Tagged, Tagged(token=pydantic.SecretStr("a"), tags={Label(name="a")}))


def test_a_secret_is_refused_even_if_pydantic_names_its_functions_otherwise(
    send: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.authoring.payloads.pydantic_codec.has_secrets", lambda schema: False)
    with pytest.raises(PayloadRejectedError, match="field_serializer"):
        send(Tagged, Tagged(token=pydantic.SecretStr("a")))


class Refund(TypedDict):
    currency: str


@pytest.mark.parametrize(
    "payload", [{"$version": 1, "currency": "", "money": "CHF"}, {"$version": 2, "currency": "CHF"}]
)
def test_a_dictionary_of_an_older_version_is_upgraded_in_a_union(
    send: Callable[..., None], payload: dict[str, Any]
) -> None:
    steps = {1: lambda old: {"currency": f"upgraded {old['money']}"}}
    send(ModelOrder | Refund, payload, version=2, upgrade=steps)
    assert given == [{"currency": "upgraded CHF" if payload["$version"] == 1 else "CHF"}]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("number", ["1" + "0" * 400, "18446744073709551616"])
def test_a_number_that_no_record_may_hold_fails_its_record_alone(
    worker: Worker, version: int, number: str
) -> None:
    class Price(pydantic.BaseModel):
        amount: float = 0
        other: Any = None

    given.clear()
    steps = {step: lambda payload: payload for step in range(1, version)}
    declared = worker.declare(handler_of(Price, given.append), version=version, upgrade=steps)
    for place in ("amount", "other"):
        worker.query(
            "INSERT INTO processing_queue (flow_name, payload) VALUES ('send_invoice', %(payload)s::jsonb)",
            payload=f'{{"{place}": {number}}}',
        )
    worker.enqueue("send_invoice", [{"amount": 1, "other": "1" * 500}])
    worker.run(declared)
    rows = worker.query("SELECT status, error_message FROM processing_queue ORDER BY id")
    assert [row.status for row in rows] == ["failed", "failed", "completed"]
    assert rows[0].error_message.startswith("payload.amount: an integer")
    assert rows[1].error_message.startswith("payload.other: an integer")
    assert given == [Price(amount=1, other="1" * 500)]
