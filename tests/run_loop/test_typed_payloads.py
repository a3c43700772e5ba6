"""Every kind of handler receives an object of its annotated type. A record whose payload does not fit fails alone
and at once, and its error names the path of the field."""

from datetime import date
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection

from tasks import FlowContext
from tests.authoring.typed_payloads import KINDS, PATH, STORED, WRONG, Kind, ModelOrder, an_order, handler_of
from tests.support.flow_runs import Worker

given: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_given() -> None:
    given.clear()


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_each_kind_of_type_arrives_as_its_object(worker: Worker, kind: Kind) -> None:
    rows = worker.process(handler_of(kind.order, given.append), [STORED, WRONG, STORED], max_retries=5)
    assert given == [an_order(kind)] * 2
    assert [(row.status, row.retry_count) for row in rows] == [
        ("completed", 0), ("failed", 1), ("completed", 0),
    ]  # fmt: skip
    assert rows[1].error_message.startswith(f"{PATH}: ")


def plain(payload: ModelOrder) -> None:
    given.append(payload)


def with_context(payload: ModelOrder, context: FlowContext[ModelOrder]) -> None:
    assert context.payload == payload
    given.append(payload)


def in_one_commit(payload: ModelOrder, connection: Connection) -> None:
    given.append(payload)


async def asynchronous(payload: ModelOrder) -> None:
    given.append(payload)


async def async_in_one_commit(payload: ModelOrder, connection: "psycopg.AsyncConnection[Any]") -> None:
    given.append(payload)


def batch(records: list[FlowContext[ModelOrder]]) -> None:
    given.extend(record.payload for record in records)


async def async_batch(records: list[FlowContext[ModelOrder]]) -> None:
    given.extend(record.payload for record in records)


def batch_in_one_commit(
    records: list[FlowContext[ModelOrder]], connection: "psycopg.Connection[Any]"
) -> None:
    given.extend(record.payload for record in records)


MODES: list[tuple[Any, dict[str, Any]]] = [
    (plain, {}),
    (plain, {"concurrency": 3}),
    (with_context, {}),
    (in_one_commit, {}),
    (asynchronous, {}),
    (asynchronous, {"concurrency": 3}),
    (async_in_one_commit, {}),
    (batch, {"batch": True}),
    (async_batch, {"batch": True}),
    (batch_in_one_commit, {"batch": True}),
]


@pytest.mark.parametrize(
    ("handler", "options"), MODES, ids=[f"{handler.__name__} {options}" for handler, options in MODES]
)
def test_in_every_mode_the_one_that_does_not_fit_fails_alone(
    worker: Worker, handler: Any, options: dict[str, Any]
) -> None:
    rows = worker.process(handler, [STORED, WRONG, STORED], max_retries=5, **options)
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    assert rows[1].retry_count == 1
    assert PATH in rows[1].error_message
    expected = ModelOrder.model_validate(STORED)
    assert len(given) >= 2
    assert all(one == expected and isinstance(one.due, date) for one in given)


def test_what_is_missing_is_named_by_its_path(worker: Worker) -> None:
    for number, kind in enumerate(KINDS.values()):
        handler = handler_of(kind.order, given.append, f"flow_{number}")
        (row,) = worker.process(handler, [{**STORED, "lines": [{"sku": "lamp"}]}])
        assert row.error_message.startswith(f"{PATH}: ")


def test_a_payload_without_a_type_arrives_as_it_is(worker: Worker) -> None:
    for number, annotation in enumerate((Any, dict, dict[str, Any], list[int])):
        handler = handler_of(annotation, given.append, f"flow_{number}")
        flow = worker.declare(handler)
        assert flow.payload_type is None
        worker.enqueue(flow.name, [WRONG])
        worker.run(flow)
    assert given == [WRONG] * 4
