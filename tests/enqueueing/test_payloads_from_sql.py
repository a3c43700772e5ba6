"""`enqueue_record` refuses a payload that does not fit the schema of its flow. A plain INSERT accepts such a
payload."""

from typing import Any, Literal

import psycopg
import pydantic
import pytest
from psycopg.types.json import Jsonb

from tests.authoring.typed_payloads import KINDS, PATH, STORED, WRONG, Kind, ModelOrder, handler_of
from tests.support.flow_runs import Worker


def enqueue(worker: Worker, payload: Any, flow_name: str = "send_invoice") -> int:
    (row,) = worker.query(
        "SELECT enqueue_record(%(flow_name)s, %(payload)s) AS id", flow_name=flow_name, payload=Jsonb(payload)
    )
    return row.id


def refusal(worker: Worker, payload: Any) -> str:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        enqueue(worker, payload)
    assert refused.value.diag.constraint_name == "payload_schema"
    return refused.value.diag.message_primary or ""


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_what_fits_passes_and_what_does_not_is_refused_with_its_place(worker: Worker, kind: Kind) -> None:
    flow = worker.declare(handler_of(kind.order, lambda payload: None))
    assert enqueue(worker, STORED) > 0
    assert refusal(worker, WRONG) == f"{PATH}: must be integer, not string"
    assert refusal(worker, STORED | {"lines": [{"sku": "a"}]}) == f"{PATH}: a required field is missing"
    assert refusal(worker, [STORED]) == "payload: must be object, not array"
    worker.run(flow)
    assert worker.statuses() == {"completed": 1}


def test_a_plain_insert_is_not_asked_and_fails_alone(worker: Worker) -> None:
    rows = worker.process(handler_of(ModelOrder, lambda payload: None), [STORED, WRONG])
    assert [row.status for row in rows] == ["completed", "failed"]


class Address(pydantic.BaseModel, extra="forbid"):
    street: str
    within: "Address | None" = None


class Customer(pydantic.BaseModel):
    kind: Literal["person", "firm"]
    address: Address | None
    tags: dict[str, int] = {}
    always: Literal[1] = 1


def test_the_keywords_that_it_knows(worker: Worker) -> None:
    worker.declare(handler_of(Customer, print))
    fitting = {"kind": "firm", "address": None}
    home: dict[str, Any] = {"street": "x", "within": {"street": "y"}}
    for payload in (
        fitting,
        fitting | {"address": home},
        fitting | {"tags": {"a": 1.0}},
        fitting | {"more": 1},
    ):
        assert enqueue(worker, payload) > 0
    home["within"]["town"] = "z"
    for payload, problem in (
        (fitting | {"kind": "dog"}, 'payload.kind: must be ["person", "firm"]'),
        (fitting | {"always": 2}, "payload.always: must be 1"),
        (fitting | {"tags": {"a": 1.5}}, "payload.tags.a: must be integer, not number"),
        (fitting | {"address": home}, "payload.address.within.town: is not allowed"),
        (fitting | {"address": 5}, "payload.address: must be object, not number"),
    ):
        assert refusal(worker, payload).startswith(problem)


def test_only_the_version_that_is_declared_is_checked(worker: Worker) -> None:
    worker.declare(handler_of(ModelOrder, print), version=2, upgrade={1: dict})
    for payload in ({}, {"$version": 3}, STORED | {"$version": 2}):
        assert enqueue(worker, payload) > 0
    assert refusal(worker, {"$version": 2}).startswith("payload.")


def test_a_flow_without_a_type_takes_any_json(worker: Worker) -> None:
    worker.declare(handler_of(dict, print))
    for payload in ({}, [], 5, None, {"a": {"b": 1}}):
        assert enqueue(worker, payload) > 0
