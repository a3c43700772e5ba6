"""An unsupported call, declaration or setting of a durable task is refused with a message. Nothing is written."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy
from celery import Task, chain, chord, group
from sqlalchemy.orm import Session

from processing_queue import QueueStoreError
from processing_queue.celery import DurableCelery, NotDurableError
from tests.durable_tasks.conftest import Shop


def send_invoice(order: int = 0) -> None: ...


@pytest.fixture
def send(shop: Shop) -> Any:
    return shop.task(send_invoice, name="shop.send")


CALLS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "group": (lambda send: group(send.s(1), send.s(2)).delay(), "group_id is not supported"),
    "chain": (lambda send: chain(send.s(1), send.si(2)).delay(), "chain is not supported"),
    "chord": (lambda send: chord([send.s(1), send.s(2)], send.si()).delay(), "not supported"),
    "chunks": (lambda send: send.chunks([(1,), (2,)], 1).delay(), "not supported"),
    "map": (lambda send: send.map([1, 2]).delay(), "celery.map is not supported"),
    "expires": (lambda send: send.apply_async((1,), expires=60), "expires is not supported"),
    "pickle": (lambda send: send.apply_async((1,), serializer="pickle"), "serializer 'pickle'"),
    "unknown": (lambda send: send.apply_async((1,), contdown=3), "no option contdown"),
    "link_error": (lambda send: send.apply_async((1,), link_error=send.s()), "link_error is not supported"),
    "two links": (lambda send: send.apply_async((1,), link=[send.s(), send.s()]), "link takes one task"),
    "a chain as link": (lambda send: send.apply_async((1,), link=chain(send.s(), send.s())), "one task"),
    "a link with options": (lambda send: send.apply_async((1,), link=send.s().set(expires=3)), "link with expires"),
    "another queue": (lambda send: send.apply_async((1,), queue="slow"), "the task's queue is 'flows'"),
    "a limit": (lambda send: send.apply_async((1,), time_limit=3), "declare it"),
    "shadow": (lambda send: send.apply_async((1,), shadow="other"), "shadow is not supported"),
    "compression": (lambda send: send.apply_async((1,), compression="gzip"), "compression is not supported"),
    "reply_to": (lambda send: send.apply_async((1,), reply_to="queue"), "reply_to is not supported"),
    "an eta of another kind": (lambda send: send.apply_async((1,), eta=3), "eta"),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_call_is_refused(call: str, shop: Shop, send: Any) -> None:
    act, sentence = CALLS[call]
    with pytest.raises(NotDurableError, match=sentence):
        act(send)
    assert shop.rows() == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rate_limit": "10/m"}, "rate_limit='10/m' is not supported"),
        ({"expires": 60}, "expires=60 is not supported"),
        ({"serializer": "pickle"}, "serializer='pickle' is not supported"),
        ({"compression": "gzip"}, "compression='gzip' is not supported"),
    ],
)
def test_a_declaration_is_refused(options: dict[str, Any], sentence: str, shop: Shop) -> None:
    with pytest.raises(NotDurableError, match=sentence):
        shop.task(send_invoice, name="shop.send", **options)


def test_an_async_body_is_refused(shop: Shop) -> None:
    async def send() -> None: ...

    with pytest.raises(NotDurableError, match="whose body Celery never runs"):
        shop.task(send)


@pytest.mark.parametrize("setting", [{"task_default_rate_limit": "10/m"}, {"task_serializer": "pickle"}])
def test_settings_that_say_the_same_are_refused(setting: dict[str, Any], shop: Shop) -> None:
    shop.app.conf.update(setting)
    with pytest.raises(NotDurableError, match="is not supported"):
        shop.task(send_invoice, name="shop.send")


def ways_to_end() -> dict[str, Callable[[Any], Any]]:
    return {
        "retry with other arguments": lambda self: self.retry(args=(2,)),
        "retry with other keywords": lambda self: self.retry(kwargs={"order": 2}),
        "retry in another queue": lambda self: self.retry(queue="slow"),
        "retry without raising": lambda self: self.retry(throw=False),
        "more retries": lambda self: self.retry(max_retries=50),
        "replace": lambda self: self.replace(self.s()),
        "update_state": lambda self: self.update_state(state="PROGRESS", meta={"done": 1}),
    }


@pytest.mark.parametrize("way", ways_to_end())
def test_what_a_body_asks_for_is_refused_and_fails_the_record(way: str, shop: Shop) -> None:
    @shop.task(bind=True, max_retries=3)
    def act(self: Any, order: int) -> None:
        ways_to_end()[way](self)

    act.delay(1)
    shop.run(act)
    assert shop.row().status == "failed"
    attempt = shop.worker.query("SELECT * FROM record_attempts")[0]
    assert attempt.exception_type == "NotDurableError", attempt.error_message


def test_another_database_is_refused(make_shop: Callable[..., Shop]) -> None:
    engine = sqlalchemy.create_engine("sqlite://")
    with Session(engine) as session:
        shop = make_shop(transaction=lambda: session)
        send = shop.task(send_invoice, name="shop.send")
        with pytest.raises(QueueStoreError, match="psycopg 3"):
            send.delay(1)
    assert shop.rows() == []


def test_the_id_of_another_record_is_refused(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(durable=["shop.billing.*"])
    send = shop.task(send_invoice, name="shop.billing.send")
    plain = shop.task(send_invoice, name="shop.plain")
    first = send.delay(1)
    for call in (send, plain):
        with pytest.raises(NotDurableError, match="the form of a record's id"):
            call.apply_async((2,), task_id=first.id)
    with pytest.raises(NotDurableError, match="the form of a record's id"):
        shop.app.send_task("shop.billing.send", [2], task_id=first.id.upper())
    assert len(shop.rows()) == 1


def test_limits_of_annotations_and_base_classes_are_refused(shop: Shop) -> None:
    class Limited(Task):
        abstract = True
        rate_limit = "5/m"

    class Expiring(Task):
        abstract = True
        expires = 60

    shop.app.conf.task_annotations = {"shop.annotated": {"rate_limit": "10/m"}}
    for name, base in (("shop.annotated", Task), ("shop.limited", Limited), ("shop.expiring", Expiring)):
        with pytest.raises(NotDurableError, match=r"rate_limit|expires"):
            shop.app.task(send_invoice, name=name, base=base).name  # noqa: B018
        assert name not in shop.app.tasks


@pytest.mark.parametrize(
    "options",
    [
        {"transaction": "postgresql://"}, {"transaction": 3}, {"outside_transaction": "never"},
        {"durable": "shop.*"}, {"durable": [3]}, {"on_crash": "ignore"},
    ],
)  # fmt: skip
def test_a_wrong_application_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(NotDurableError):
        DurableCelery("shop", set_as_current=False, **options)


def test_a_payload_that_is_too_large_is_refused(shop: Shop, send: Any) -> None:
    with pytest.raises(QueueStoreError, match="the limit is"):
        send.delay("x" * 1_000_000)
    assert shop.rows() == []


def test_an_instant_out_of_range_is_refused(shop: Shop, send: Any) -> None:
    with pytest.raises(QueueStoreError, match="scheduled_at"):
        send.apply_async((1,), eta=datetime(1990, 1, 1, tzinfo=UTC))
    assert shop.rows() == []
