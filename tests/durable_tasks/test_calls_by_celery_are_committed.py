"""Beat, and the tracer of a plain task with a `link`, call durable tasks outside of the application's code. Nobody
would commit a transaction of the application's session, so these calls commit their own."""

from collections.abc import Callable
from typing import Any

import pytest
from celery import signals
from celery.app.trace import build_tracer
from celery.beat import Service
from sqlalchemy.orm import Session

from tests.durable_tasks.conftest import Shop


def act(*_: Any) -> None: ...


def price() -> int:
    return 7


OPTIONS: list[dict[str, Any]] = [{}, {"transaction": lambda: None, "outside_transaction": "error"}]


@pytest.fixture(autouse=True)
def _only_the_application_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Disconnects the receivers of our own beat, because they would start its work."""
    for signal in (signals.beat_init, signals.beat_embedded_init):
        monkeypatch.setattr(signal, "receivers", [])


@pytest.mark.parametrize("options", OPTIONS, ids=["a session", "no transaction"])
@pytest.mark.parametrize("signal", [signals.beat_init, signals.beat_embedded_init], ids=["beat", "embedded"])
def test_beat_commits(make_shop: Callable[..., Shop], options: dict[str, Any], signal: Any) -> None:
    shop = make_shop(**options)
    charge = shop.task(act, name="shop.charge")
    with Session(shop.database.engine) as shop.session:
        signal.send(sender=Service(shop.app))
        charge.apply_async()
        assert not shop.session.in_transaction()
    assert shop.row().status == "pending"


def test_beat_of_another_application_changes_nothing(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop()
    charge = shop.task(act, name="shop.charge")
    with Session(shop.database.engine) as shop.session:
        signals.beat_init.send(sender=Service(make_shop().app))
        charge.apply_async()
        assert shop.rows() == []


@pytest.mark.parametrize("options", OPTIONS, ids=["a session", "no transaction"])
def test_the_link_of_a_plain_task_is_committed(
    make_shop: Callable[..., Shop], options: dict[str, Any]
) -> None:
    shop = make_shop(durable=["shop.billing.*"], **options)
    charge = shop.task(act, name="shop.billing.charge")
    plain = shop.app.task(price, name="shop.price")
    with Session(shop.database.engine) as shop.session:
        trace = build_tracer(plain.name, plain, app=shop.app)
        traced = trace("a-task", (), {}, {"id": "a-task", "callbacks": [charge.s()], "is_eager": False})
        assert traced.info is None
        assert not shop.session.in_transaction()
    assert shop.row().payload["args"] == [7]
    assert shop.row().payload["parent_id"] == "a-task"


def test_a_call_in_the_body_of_a_plain_task_is_in_its_transaction(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(durable=["shop.billing.*"])
    charge = shop.task(act, name="shop.billing.charge")

    def call() -> None:
        charge.delay()

    plain = shop.app.task(call, name="shop.call")
    with Session(shop.database.engine) as shop.session:
        trace = build_tracer(plain.name, plain, app=shop.app)
        assert trace("a-task", (), {}, {"id": "a-task", "is_eager": False}).info is None
        assert shop.rows() == []
        shop.session.commit()
    assert shop.row().status == "pending"


def test_a_message_from_before_calls_its_link_error(shop: Shop) -> None:
    """The task became durable after the message was sent."""
    told: list[str] = []

    @shop.task(name="shop.charge")
    def charge() -> None:
        raise ValueError("no")

    def tell(request: Any, error: Any, traceback: Any) -> None:
        told.append(str(error))

    tell_task = shop.app.task(tell, name="shop.tell")
    trace = build_tracer(charge.name, charge, app=shop.app)
    trace("a-task", (), {}, {"id": "a-task", "errbacks": [tell_task.s()], "is_eager": False})
    assert told == ["no"]
