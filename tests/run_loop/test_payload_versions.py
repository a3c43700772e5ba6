"""A payload of an older version is upgraded step by step when its record is claimed. A record with a newer
version waits."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pydantic
import pytest
from sqlalchemy import Connection

from queue_store import PayloadRejectedError, enqueue
from tasks import FlowContext, FlowDeclarationError, flow
from tasks.authoring.declaration import declare
from tasks.authoring.registry import empty_registry
from tests.authoring.typed_payloads import handler_of
from tests.support.flow_runs import Worker

given: list[Any] = []


class Order(pydantic.BaseModel, extra="forbid"):
    order_id: int
    currency: str
    net: bool


def add_currency(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {"currency": "EUR"}


def add_net(payload: dict[str, Any]) -> dict[str, Any]:
    payload["net"] = payload["currency"] == "EUR"
    return payload


STEPS: dict[int, Callable[[Any], Any]] = {1: add_currency, 2: add_net}
VERSION_1 = {"order_id": 1}
VERSION_2 = {"order_id": 1, "currency": "CHF", "$version": 2}
VERSION_3 = {"order_id": 1, "currency": "USD", "net": True, "$version": 3}
VERSION_4 = {"id": 1, "$version": 4}


@pytest.fixture(autouse=True)
def no_flows() -> Iterator[None]:
    given.clear()
    with empty_registry():
        yield


def single(payload: Order) -> None:
    given.append(payload)


def batch(records: list[FlowContext[Order]]) -> None:
    given.extend(record.payload for record in records)


def in_one_commit(payload: Order, connection: Connection) -> None:
    given.append(payload)


@pytest.mark.parametrize("handler", [single, batch, in_one_commit])
def test_each_version_is_upgraded_and_a_newer_one_waits(worker: Worker, handler: Any) -> None:
    rows = worker.process(
        handler, [VERSION_1, VERSION_2, VERSION_3, VERSION_4], version=3, upgrade=STEPS, batch=handler is batch
    )  # fmt: skip
    assert {(order.currency, order.net) for order in given} == {("EUR", True), ("CHF", False), ("USD", True)}
    assert [row.status for row in rows] == ["completed"] * 3 + ["pending"]
    waiting = rows[3]
    assert (waiting.retry_count, waiting.crash_strikes, waiting.payload) == (0, 0, VERSION_4)
    assert 20 < (waiting.scheduled_at - waiting.updated_at).total_seconds() < 40


def test_a_worker_with_newer_code_takes_what_waited(worker: Worker) -> None:
    (row,) = worker.process(single, [VERSION_3])
    assert row.status == "pending"
    newer = worker.declare(single, version=3, upgrade=STEPS)
    worker.make_due()
    worker.run(newer)
    assert [order.currency for order in given] == ["USD"]


def test_payloads_without_a_type_have_versions_too(worker: Worker) -> None:
    handler = handler_of(dict, given.append)
    rows = worker.process(handler, [VERSION_1, VERSION_2, VERSION_3], version=2, upgrade={1: add_currency})
    assert given == [{"order_id": 1, "currency": "EUR"}, {"order_id": 1, "currency": "CHF"}]
    assert [row.status for row in rows] == ["completed", "completed", "pending"]


def test_python_says_the_version_and_sql_may(worker: Worker) -> None:
    declared_flow = flow(version=3, upgrade=STEPS)(single)
    declared = worker.declare(single, version=3, upgrade=STEPS)
    order = Order(order_id=1, currency="EUR", net=True)
    with worker.services.database.engine.begin() as connection:
        declared_flow.enqueue(connection, order)
        declared_flow.enqueue_many(connection, [order])
        enqueue(connection, "single", VERSION_2)  # this payload names an older version
        with pytest.raises(
            PayloadRejectedError, match=r"payload\.\$version: is newer than this process' code"
        ):
            enqueue(connection, "single", VERSION_4)
        with pytest.raises(PayloadRejectedError, match=r"payload\.currency"):
            enqueue(connection, "single", VERSION_1)
    stored = worker.query("SELECT payload->'$version' AS version FROM processing_queue ORDER BY id")
    assert [row.version for row in stored] == [3, 3, 2]
    worker.run(declared)
    assert given == [order, order, Order(order_id=1, currency="CHF", net=False)]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (lambda payload: payload["missing"], r"upgrade\[1\] cannot upgrade it: KeyError: 'missing'"),
        (lambda payload: None, r"upgrade\[1\] returned None"),
        (lambda payload: {"order_id": "x"}, r"payload\.order_id"),
        (lambda payload: {"order_id": 2**70}, r"payload\.order_id"),
    ],
)
def test_what_cannot_be_upgraded_fails_alone_and_at_once(worker: Worker, step: Any, problem: str) -> None:
    rows = worker.process(
        single, [VERSION_1, {**VERSION_3, "$version": 2}], version=2, upgrade={1: step}, max_retries=5
    )
    assert [row.status for row in rows] == ["failed", "completed"]
    assert rows[0].retry_count == 1
    assert re.search(problem, rows[0].error_message)


@pytest.mark.parametrize("version", [0, -1, True, "2", 1.5, None])
def test_a_version_that_is_none_fails_its_record(worker: Worker, version: object) -> None:
    (row,) = worker.process(single, [VERSION_3 | {"$version": version}], version=3, upgrade=STEPS)
    assert row.status == "failed"
    assert "payload.$version: must be a whole number" in row.error_message


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"version": 2}, "no step from version 1"),
        ({"version": 4, "upgrade": STEPS}, "no step from version 3"),
        ({"version": 3, "upgrade": {2: add_net}}, "no step from version 1"),
        ({"version": 2, "upgrade": STEPS}, "a step from version 2, but the newest version is 2"),
        ({"upgrade": STEPS}, "upgrade needs version"),
        ({"version": 2, "upgrade": [add_currency]}, "must be a dictionary"),
        ({"version": 2, "upgrade": {1: "add_currency"}}, r"upgrade\[1\] must be a plain function"),
        ({"version": 2, "upgrade": {1: lambda: None}}, r"upgrade\[1\] is called with \(payload\)"),
        ({"version": 0}, "version must be a whole number"),
        ({"version": "2"}, "version must be a whole number"),
    ],
)
def test_wrong_versions_are_refused_when_they_are_declared(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(FlowDeclarationError, match=problem):
        declare(single, options)


def test_only_objects_have_versions() -> None:
    with pytest.raises(FlowDeclarationError, match="an object"):
        declare(handler_of(list[Order], print), {"version": 2, "upgrade": {1: add_currency}})
