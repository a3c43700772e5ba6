"""`enqueue_record` takes every payload that Python writes for a flow, with or without a `$version`. If the unions of
a type are tagged, the time to check a payload grows in proportion to the payload's size, even if the type is
recursive."""

import json
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import psycopg
import pydantic
import pytest
from psycopg.types.json import Jsonb
from pydantic import Field

from tests.authoring.typed_payloads import handler_of
from tests.support.flow_runs import Worker

DEPTH = 40  # a check that costs 2 ** 40 steps does not end within the statement_timeout


class Span(NamedTuple):
    first: int
    name: str = "all"


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    corner: tuple[float, float]
    sides: tuple[int, ...]
    span: Span


class Point(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    x: int
    y: int = 0


class Drawing(msgspec.Struct):
    points: list[Point]


class Place(pydantic.BaseModel, extra="forbid"):
    at: tuple[float, str]
    span: Span


class Bill(pydantic.BaseModel, extra="forbid"):
    kind: Literal["bill"] = "bill"
    amount: int


class Refund(pydantic.BaseModel, extra="forbid"):
    kind: Literal["refund"] = "refund"
    bill: Bill


class Kept(pydantic.RootModel[Bill]):
    pass


class Added(msgspec.Struct, tag="added", forbid_unknown_fields=True):
    number: int


class Removed(msgspec.Struct, tag="removed", forbid_unknown_fields=True):
    name: str


OF_ANY_VERSION: dict[str, tuple[Any, Any]] = {
    "tuples of a Struct": (Shape, Shape((1.5, 2.0), (1, 2, 3), Span(1))),
    "tuples of a model": (Place, Place(at=(1.5, "a"), span=Span(2, "b"))),
    "arrays of Structs": (Drawing, Drawing([Point(1), Point(1, 2)])),
    "a strict model": (Bill, Bill(amount=1)),
    "a strict Struct": (Added, Added(1)),
    "a root model": (Kept, Kept(Bill(amount=1))),
    "a union of models": (Bill | Refund, Bill(amount=1)),
    "a discriminated union": (
        Annotated[Bill | Refund, Field(discriminator="kind")],
        Refund(bill=Bill(amount=1)),
    ),
    "an optional model": (Bill | None, Bill(amount=1)),
    "tagged Structs": (Added | Removed, Removed("a")),
    "an optional Struct": (Added | None, Added(1)),
}


def enqueue(worker: Worker, payload: Any) -> None:
    worker.query("SELECT enqueue_record('send_invoice', %(payload)s)", payload=Jsonb(payload))


def refusal(worker: Worker, payload: Any) -> str:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        enqueue(worker, payload)
    return refused.value.diag.message_primary or ""


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("case", OF_ANY_VERSION.values(), ids=list(OF_ANY_VERSION))
def test_what_python_writes_is_taken_and_processed(
    worker: Worker, case: tuple[Any, Any], version: int
) -> None:
    kind, payload = case
    options = {"version": 2, "upgrade": {1: dict}} if version == 2 else {}
    flow = worker.declare(handler_of(kind, lambda payload: None), **options)
    assert flow.payload_type is not None
    written = json.loads(flow.payload_type.encode(payload))
    enqueue(worker, written)
    enqueue(worker, written | {"$version": version})
    worker.run(flow)
    assert worker.statuses() == {"completed": 2}


@pytest.mark.parametrize("version", [1, 2])
def test_what_does_not_fit_is_still_refused_with_its_place(worker: Worker, version: int) -> None:
    worker.declare(handler_of(Shape, print), version=version, upgrade={1: dict} if version == 2 else {})
    fitting = {"$version": version, "corner": [1, 2], "sides": [1], "span": [1]}
    for wrong, problem in (
        ({"corner": [1, "a"]}, "payload.corner[1]: must be number, not string"),
        ({"corner": [1, 2, 3]}, "payload.corner[2]: is not allowed"),
        ({"sides": [1, "a"]}, "payload.sides[1]: must be integer, not string"),
        ({"span": ["a"]}, "payload.span[0]: must be integer, not string"),
        ({"more": 1}, "payload.more: is not allowed"),
    ):
        assert refusal(worker, fitting | wrong) == problem


def test_a_version_within_the_payload_is_a_field_like_any_other(worker: Worker) -> None:
    worker.declare(handler_of(Refund, print))
    wrong = {"$version": 1, "kind": "refund", "bill": {"$version": 1, "kind": "bill", "amount": 1}}
    assert refusal(worker, wrong) == "payload.bill.$version: is not allowed"


class Leaf(pydantic.BaseModel):
    kind: Literal["leaf"]
    a_child: "Leaf | Twig | None" = None


class Twig(pydantic.BaseModel):
    kind: Literal["twig"]
    a_child: "Leaf | Twig | None" = None


class Tree(pydantic.BaseModel):
    branches: "list[Tree]" = []
    next: "Tree | None" = None
    number: int = 0
    twig: Leaf | Twig | None = None


NESTED: dict[str, tuple[Any, Any]] = {
    "in an array": ({"number": "a"}, lambda inner: {"branches": [inner]}),
    "in an option": ({"number": "a"}, lambda inner: {"next": inner}),
    "in a union": ({"kind": "dog"}, lambda inner: {"kind": "twig", "a_child": inner}),
}


@pytest.mark.parametrize("case", NESTED.values(), ids=list(NESTED))
def test_the_check_of_a_recursive_type_ends_soon(worker: Worker, case: tuple[Any, Any]) -> None:
    worker.declare(handler_of(Tree, print))
    payload, around = case
    for _ in range(DEPTH):
        payload = around(payload)
    if "kind" in payload:
        payload = {"twig": payload}
    with worker.services.database.transaction() as cursor:
        cursor.execute("SET LOCAL statement_timeout = '10s'")
        problem = cursor.execute("SELECT payload_problem('send_invoice', %s)", (Jsonb(payload),)).fetchone()
    assert problem is not None
    assert problem[0].startswith("payload.")
