"""Each way to call a durable task writes a record in the caller's transaction."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import chain, shared_task
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from processing_queue import DuplicateRecordError, PayloadRejectedError, UnknownFlowError
from processing_queue.celery import NotDurableError
from tests.durable_tasks.conftest import Shop


def send_invoice(order: int, copies: int = 1) -> None: ...


@pytest.fixture
def send(shop: Shop) -> Any:
    return shop.task(send_invoice, name="shop.send")


CALLS: dict[str, Callable[[Shop, Any], Any]] = {
    "delay": lambda shop, send: send.delay(17),
    "apply_async": lambda shop, send: send.apply_async((17,)),
    "send_task": lambda shop, send: shop.app.send_task("shop.send", [17]),
    "signature": lambda shop, send: shop.app.signature("shop.send", (17,)).delay(),
    "signature of the task": lambda shop, send: send.s(17).delay(),
    "partial signature": lambda shop, send: send.s().apply_async((17,)),
    "delay_on_commit": lambda shop, send: send.delay_on_commit(17),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_in_the_callers_transaction(call: str, shop: Shop, send: Any) -> None:
    with Session(shop.database.engine) as session:
        shop.session = session
        CALLS[call](shop, send)
        session.rollback()
        assert shop.rows() == []
        CALLS[call](shop, send)
        assert shop.rows() == []
        session.commit()
    assert (shop.row().flow_name, shop.row().payload["args"]) == ("shop.send", [17])


def test_a_chain_of_one_task_is_a_call_of_it(shop: Shop, send: Any) -> None:
    """If an application builds chains from lists of tasks, some chains have only one task."""
    result = chain(send.si(17)).apply_async()
    assert (shop.row().flow_name, shop.row().payload["args"]) == ("shop.send", [17])
    shop.worker.run(shop.worker.services.flows["shop.send"])
    assert result.state == "SUCCESS"


def test_every_kind_of_connection_is_joined(make_shop: Callable[..., Shop]) -> None:
    connections: list[Any] = []
    shop = make_shop(transaction=lambda: connections[-1])
    send = shop.task(send_invoice, name="shop.send")
    engine = shop.database.engine
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        for one in (connection, driver, driver.cursor()):
            connections.append(one)
            send.delay(1)
            assert shop.rows() == []
            connection.rollback()
    factory = scoped_session(sessionmaker(engine))
    connections.append(factory)
    send.delay(1)
    assert shop.rows() == []
    factory.commit()
    factory.remove()
    assert len(shop.rows()) == 1


def test_outside_of_a_transaction_a_call_commits_a_record_of_its_own(shop: Shop, send: Any) -> None:
    send.delay(1)
    assert shop.row().status == "pending"


def test_outside_of_a_transaction_a_call_is_an_error_where_the_application_says_so(
    make_shop: Callable[..., Shop],
) -> None:
    shop = make_shop(outside_transaction="error")
    send = shop.task(send_invoice, name="shop.send")
    with pytest.raises(NotDurableError, match="outside of a transaction"):
        send.delay(1)
    assert shop.rows() == []


def test_a_connection_that_commits_by_itself_is_no_transaction(make_shop: Callable[..., Shop]) -> None:
    connections: list[Any] = [None]
    shop = make_shop(transaction=lambda: connections[0], outside_transaction="error")
    send = shop.task(send_invoice, name="shop.send")
    with shop.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connections[0] = connection.connection.driver_connection
        with pytest.raises(NotDurableError, match="outside of a transaction"):
            send.delay(1)
        with connections[0].transaction():
            send.delay(1)
    assert len(shop.rows()) == 1


def test_countdown_eta_priority_and_headers_are_the_records(shop: Shop, send: Any) -> None:
    eta = datetime(2040, 1, 31, 12, tzinfo=UTC)
    send.apply_async((1,), countdown=3600, priority=2)
    send.apply_async((2,), eta=eta, headers={"tenant": "a"})
    send.apply_async((3,), eta="2040-01-31T12:00:00+00:00", priority=0)
    send.apply_async((4,), eta=datetime(2040, 1, 31, 12))  # noqa: DTZ001  (in the time zone of the application)
    later, at, as_text, naive = shop.rows()
    assert timedelta(minutes=59) < later.scheduled_at - later.created_at < timedelta(minutes=61)
    assert at.scheduled_at == as_text.scheduled_at == naive.scheduled_at == eta
    assert (later.priority, at.priority, as_text.priority) == (2, 5, 0)
    assert at.payload["headers"] == {"tenant": "a"}


def test_routes_say_the_queue_and_the_priority(shop: Shop) -> None:
    shop.app.conf.task_routes = {"shop.urgent": {"priority": 0, "queue": "slow"}}
    urgent = shop.task(send_invoice, name="shop.urgent")
    urgent.delay(1)
    urgent.apply_async((1,), queue="slow", priority=3)
    assert [row.priority for row in shop.rows()] == [0, 3]


def test_a_task_id_of_the_callers_own_belongs_to_one_record(shop: Shop, send: Any) -> None:
    mine = str(uuid4())
    result = send.apply_async((1,), task_id=mine)
    assert (result.id, shop.row().task_id) == (mine, mine)
    with Session(shop.database.engine) as session:
        shop.session = session
        with pytest.raises(DuplicateRecordError, match="has the task id"):
            send.apply_async((2,), task_id=mine)
        send.delay(3)  # the transaction can still be used
        session.commit()
    assert [row.payload["args"] for row in shop.rows()] == [[1], [3]]


def test_a_shared_task_is_durable_in_the_application_that_is_current(shop: Shop) -> None:
    @shared_task(name="shop.shared")
    def shared(order: int) -> None: ...

    shop.app.set_current()
    shop.app.finalize()
    shop.know("shop.shared")
    shared.delay(17)
    assert shop.row().flow_name == "shop.shared"


def test_celerys_json_types_are_kept(shop: Shop, send: Any) -> None:
    at, token = datetime(2026, 1, 1, tzinfo=UTC), UUID(int=7)
    seen: list[Any] = []

    @shop.task
    def keep(*values: Any) -> None:
        seen.extend(values)

    keep.delay(at, token, Decimal("1.10"), {"at": at.date()})
    shop.run(keep)
    assert shop.row().error_message is None
    assert seen[:3] == [at, token, Decimal("1.10")]
    assert type(seen[2]) is Decimal
    assert shop.row().status == "completed"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), TypeError),
        ((1, 2, 3), TypeError),
        ((object(),), PayloadRejectedError),
        ((float("nan"),), PayloadRejectedError),
        (("\0",), PayloadRejectedError),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(
    arguments: tuple[Any, ...], error: type[Exception], shop: Shop, send: Any
) -> None:
    with pytest.raises(error):
        send.delay(*arguments)
    assert shop.rows() == []


def test_a_task_that_the_database_does_not_know_is_refused(shop: Shop) -> None:
    with pytest.raises(UnknownFlowError, match="queuectl register"):
        shop.app.send_task("shop.unknown", [1])
