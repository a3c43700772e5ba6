"""A call of a plain task is refused if no worker could carry out the rest of its canvas. Nothing is sent before
the refusal."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import chain, chord, group
from celery.beat import Scheduler
from celery.canvas import signature
from celery.signals import before_task_publish

from processing_queue.celery import NotDurableError
from tests.durable_tasks.conftest import Shop

DATABASE_BACKEND = "db+sqlite://"


def act(given: Any = None) -> None: ...


def hear(request: Any, error: Any, traceback: Any) -> None: ...


def hear_of(request: Any, error: Any, traceback: Any, number: int) -> None: ...


class Partly:
    """An application in which only `billing` is durable."""

    def __init__(self, shop: Shop) -> None:
        self.app, self.rows = shop.app, shop.rows
        self.billing = shop.task(act, name="shop.billing.charge")
        self.plain = shop.task(act, name="shop.plain")
        self.told = shop.task(hear, name="shop.billing.told")
        self.told_of = shop.task(hear_of, name="shop.billing.told_of")


@pytest.fixture
def partly(make_shop: Callable[..., Shop]) -> Partly:
    shop = make_shop(durable=["shop.billing.*"])
    shop.app.conf.result_backend = "cache+memory://"
    return Partly(shop)


@pytest.fixture
def sent() -> Iterator[list[str]]:
    """The names of the tasks for which messages were sent."""
    names: list[str] = []

    def note(sender: str, **_: Any) -> None:
        names.append(sender)

    before_task_publish.connect(note)
    yield names
    before_task_publish.disconnect(note)


LOST: dict[str, Callable[[Partly], Any]] = {
    "chain": lambda of: chain(of.plain.s(), of.billing.s()).delay(),
    "longer chain": lambda of: chain(of.plain.s(), of.plain.s(), of.billing.s(), of.plain.s()).delay(),
    "chain into a group": lambda of: chain(of.plain.s(), group(of.plain.s(), of.billing.s())).delay(),
    "chain into a chord": lambda of: chain(of.plain.s(), chord([of.plain.s()] * 2, of.billing.s())).delay(),
    "chord": lambda of: chord([of.plain.s(), of.plain.s()], of.billing.s()).delay(),
    "group into a durable task": lambda of: chain(group(of.plain.s(), of.plain.s()), of.billing.s()).delay(),
    "chord in a link": lambda of: of.plain.apply_async(link=chord([of.plain.s()] * 2, of.billing.s())),
    "chain in a link": lambda of: of.plain.apply_async(link=chain(of.plain.s(), of.billing.s())),
    "two links": lambda of: of.plain.apply_async(link=[of.plain.s(), of.billing.s()]),
    "link with an option": lambda of: of.plain.apply_async(link=of.billing.s().set(expires=3)),
    "link of a link": lambda of: of.plain.apply_async(link=of.plain.s().set(link=of.billing.s().set(expires=3))),
    "link_error": lambda of: of.plain.apply_async(link_error=of.billing.s()),
    "link_error with arguments": lambda of: of.plain.apply_async(link_error=of.told.s(1)),
    "link_error by name": lambda of: of.plain.apply_async(link_error=signature("shop.billing.away", app=of.app)),
    "send_task": lambda of: of.app.send_task("shop.plain", chain=[of.billing.s()]),
    "map": lambda of: of.plain.map([1, 2]).delay(),
    "starmap": lambda of: of.plain.starmap([(1,), (2,)]).delay(),
    "chunks": lambda of: of.plain.chunks([(1,), (2,)], 1).delay(),
    "chain into map": lambda of: chain(of.plain.s(), of.plain.map([1, 2])).delay(),
}  # fmt: skip


@pytest.mark.parametrize("call", LOST)
def test_what_would_be_lost_is_refused(call: str, partly: Partly, sent: list[str]) -> None:
    with pytest.raises(NotDurableError):
        LOST[call](partly)
    assert (sent, partly.rows()) == ([], [])


CHORDS: dict[str, Callable[[Partly], Any]] = {
    "chord": lambda of: chord([of.plain.s(), of.plain.s()], of.plain.s()).delay(),
    "later chord": lambda of: chain(of.plain.s(), chord([of.plain.s()] * 2, of.plain.s())).delay(),
}


@pytest.mark.parametrize("call", CHORDS)
def test_a_chord_that_needs_a_task_of_celerys_own_is_refused(
    call: str, partly: Partly, sent: list[str]
) -> None:
    partly.app.conf.result_backend = DATABASE_BACKEND
    with pytest.raises(NotDurableError, match=r"celery\.chord_unlock"):
        CHORDS[call](partly)
    assert sent == []


KEPT: dict[str, Callable[[Partly], Any]] = {
    "call": lambda of: of.plain.delay(1),
    "chain": lambda of: chain(of.plain.s(), of.plain.s()).delay(),
    "group": lambda of: group(of.plain.s(), of.plain.s()).delay(),
    "chord": lambda of: chord([of.plain.s(), of.plain.s()], of.plain.s()).delay(),
    "later chord": lambda of: chain(of.plain.s(), chord([of.plain.s()] * 2, of.plain.s())).delay(),
    "links": lambda of: of.plain.apply_async(link=[of.plain.s(), of.plain.s()], link_error=of.plain.s()),
    "link to a durable task": lambda of: of.plain.apply_async(link=of.billing.s(1).set(countdown=3)),
    "link_error that Celery calls": lambda of: of.plain.apply_async(link_error=of.told.s()),
    "link_error with an argument of its own": lambda of: of.plain.apply_async(link_error=of.told_of.s(17)),
    "signature as data": lambda of: of.plain.delay([of.billing.s()]),
}


@pytest.mark.parametrize("call", KEPT)
def test_what_works_is_sent(call: str, partly: Partly, sent: list[str]) -> None:
    KEPT[call](partly)
    assert set(sent) == {"shop.plain"}


def test_another_process_writes_the_record_of_a_link(partly: Partly, monkeypatch: pytest.MonkeyPatch) -> None:
    links: list[Any] = []
    before_task_publish.connect(links_of := lambda body, **_: links.extend(body[2]["callbacks"]))
    partly.plain.apply_async(link=partly.billing.s())
    before_task_publish.disconnect(links_of)
    monkeypatch.setattr(type(partly.app), "thread_oid", "a worker's")
    [link] = links
    signature(dict(link), app=partly.app).apply_async((1,), parent_id="first", root_id="first")
    [row] = partly.rows()
    assert (row.flow_name, row.payload["args"]) == ("shop.billing.charge", [1])


def test_a_worker_goes_on_with_a_chain_whose_last_task_became_durable(
    partly: Partly, sent: list[str]
) -> None:
    """The producer sent the chain before its last task became durable. If the worker refused the chain now, all
    remaining tasks of the chain would be lost, and not only the last one."""
    partly.app.send_task("shop.plain", chain=[partly.billing.s()], reply_to="a producer's")
    assert sent == ["shop.plain"]


def test_beat_sends_no_clean_up_of_results_that_are_records(shop: Shop) -> None:
    scheduler = Scheduler(shop.app, lazy=True)
    scheduler.install_default_entries(scheduler.schedule)
    assert scheduler.schedule == {}
