"""`AsyncResult` reads the record of its task."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import TaskRevokedError, TimeoutError as CeleryTimeoutError
from celery.result import AsyncResult, ResultSet
from sqlalchemy import event
from sqlalchemy.orm import Session

from processing_queue.celery import NotDurableError
from tests.durable_tasks.conftest import Shop

LONG_SECONDS = 60


class OutOfStockError(Exception):
    """This class is defined at the top level of this module, so that it can be found by its name."""


@pytest.fixture
def act(shop: Shop) -> Any:
    @shop.task(bind=True, max_retries=1, default_retry_delay=0)
    def act(self: Any, how: str = "success") -> Any:
        if how == "failure":
            raise OutOfStockError("none left")
        if how == "built-in":
            raise KeyError("order")
        if how == "retry":
            self.retry(exc=ConnectionError("away"))
        return {"order": 17}

    return act


def test_the_state_is_that_of_the_record(shop: Shop, act: Any) -> None:
    result = act.delay()
    assert (result.state, result.ready(), result.result) == ("PENDING", False, None)
    shop.run(act)
    assert (result.state, result.successful(), result.result) == ("SUCCESS", True, {"order": 17})
    assert result.get(timeout=0) == {"order": 17}
    assert (result.name, result.retries, result.traceback) == ("shop.act", 0, None)


@pytest.mark.parametrize(("how", "error"), [("failure", OutOfStockError), ("built-in", KeyError)])
def test_the_error_of_a_failure_is_raised_again(
    how: str, error: type[Exception], shop: Shop, act: Any
) -> None:
    result = act.delay(how)
    shop.run(act)
    assert (result.state, result.failed(), type(result.result)) == ("FAILURE", True, error)
    assert error.__name__ in result.traceback
    with pytest.raises(error):
        result.get(timeout=0)
    assert type(result.get(timeout=0, propagate=False)) is error


def test_a_task_that_will_be_tried_again_says_so(shop: Shop, act: Any) -> None:
    result = act.delay("retry")
    shop.run(act)
    assert result.state in ("RETRY", "FAILURE")  # with a delay of 0 the same run may try it again
    assert type(result.result) is ConnectionError


def test_a_result_is_found_by_its_id(shop: Shop, act: Any) -> None:
    task_id = act.delay().id
    own = act.apply_async(task_id="order 17").id
    shop.run(act)
    for one in (task_id, own):
        for found in (AsyncResult(one, app=shop.app), shop.app.AsyncResult(one), act.AsyncResult(one)):
            assert found.get(timeout=0) == {"order": 17}
    assert shop.app.AsyncResult("nobody's").state == "PENDING"


def test_get_waits_for_the_end(shop: Shop, act: Any) -> None:
    result = act.delay()
    received: list[Any] = []
    waiting = threading.Thread(target=lambda: received.append(result.get(timeout=LONG_SECONDS)))
    waiting.start()
    shop.run(act)
    waiting.join(LONG_SECONDS)
    assert received == [{"order": 17}]


def test_get_gives_up_after_its_time(shop: Shop, act: Any) -> None:
    with pytest.raises(CeleryTimeoutError):
        act.delay().get(timeout=0.05)
    with pytest.raises(CeleryTimeoutError):
        shop.app.AsyncResult("nobody's").get(timeout=0.05)


def test_get_in_the_transaction_that_enqueued_is_refused(shop: Shop, act: Any) -> None:
    with Session(shop.database.engine) as session:
        shop.session = session
        for result in (act.delay(), act.apply_async(task_id="mine")):
            assert result.state == "PENDING"
            with pytest.raises(NotDurableError, match="COMMIT first"):
                result.get(timeout=LONG_SECONDS)
        session.commit()
    shop.run(act)
    assert result.get(timeout=0) == {"order": 17}


def test_a_revoked_task_does_not_run(shop: Shop, act: Any) -> None:
    result, other = act.delay(), act.apply_async(task_id="other")
    result.revoke()
    shop.app.control.revoke(["other"])
    shop.run(act)
    for one in (result, other):
        assert one.state == "REVOKED"
        with pytest.raises(TaskRevokedError):
            one.get(timeout=0)


def test_what_cannot_be_revoked_is_refused(shop: Shop, act: Any) -> None:
    with pytest.raises(NotDurableError, match="queuectl end"):
        act.delay().revoke(terminate=True)
    with Session(shop.database.engine) as session:
        shop.session = session
        with pytest.raises(NotDurableError, match="no committed task"):
            act.delay().revoke()
        with pytest.raises(NotDurableError, match="no committed task"):
            act.apply_async(task_id="mine").revoke()


def test_a_forgotten_task_is_purged_once_it_has_ended(shop: Shop, act: Any) -> None:
    result = act.delay()
    with pytest.raises(NotDurableError, match="not finished"):
        result.forget()
    shop.run(act)
    result.forget()
    assert shop.rows() == []
    result.forget()


def test_an_ignored_result_is_none_at_once(shop: Shop, act: Any) -> None:
    assert act.apply_async(ignore_result=True).get() is None


def test_a_result_that_is_no_json_fails_where_results_are_wanted(shop: Shop) -> None:
    @shop.task
    def produce() -> Any:
        return object()

    shop.app.conf.result_backend = "cache+memory://"
    result = produce.delay()
    shop.run(produce)
    assert result.state == "FAILURE"


def test_eager_tasks_run_at_once_and_write_nothing(shop: Shop, act: Any) -> None:
    shop.app.conf.task_always_eager = True
    result = act.delay()
    assert (result.state, result.get(), shop.rows()) == ("SUCCESS", {"order": 17}, [])
    assert act.delay_on_commit().get() == {"order": 17}
    assert act.delay("failure").state == "FAILURE"


def test_other_tasks_keep_their_backend(make_shop: Callable[..., Shop]) -> None:
    shop = make_shop(durable=["shop.billing.*"])
    shop.app.conf.update(result_backend="cache+memory://", task_always_eager=False)

    def produce() -> int:
        return 1

    billing = shop.task(produce, name="shop.billing.produce")
    plain = shop.task(produce, name="shop.plain")
    result = billing.delay()
    sent = plain.delay()
    assert [row.flow_name for row in shop.rows()] == ["shop.billing.produce"]
    shop.run(billing)
    assert shop.app.AsyncResult(result.id).get(timeout=0) == 1
    shop.app.backend.store_result(sent.id, 2, "SUCCESS")
    assert shop.app.AsyncResult(sent.id).get(timeout=0) == 2
    assert plain.AsyncResult(sent.id).state == "SUCCESS"


def produce_one() -> int:
    return 1


@pytest.fixture
def partly(make_shop: Callable[..., Shop]) -> Shop:
    """A shop in which only billing is durable, and whose other results are in a backend that joins natively."""
    shop = make_shop(durable=["shop.billing.*"])
    shop.app.conf.update(result_backend="cache+memory://")
    return shop


@pytest.mark.parametrize("own_id", ["own", "0b1f7e1c-6b0c-4f0e-9d0c-3a6d0a4a3f57"])
def test_a_set_of_results_has_those_of_both_kinds(partly: Shop, own_id: str) -> None:
    billing = partly.task(produce_one, name="shop.billing.produce")
    own = billing.apply_async(task_id=own_id)
    given = billing.delay()
    partly.run(billing)
    partly.app.backend.store_result("plain", 2, "SUCCESS")
    results = [partly.app.AsyncResult(task_id) for task_id in (given.id, "plain", own.id)]
    assert ResultSet(results, app=partly.app).get(timeout=1) == [1, 2, 1]
    assert ResultSet([results[1], given], app=partly.app).get(timeout=1) == [2, 1]
    assert ResultSet(results[:1], app=partly.app).get(timeout=1) == [1]
    later = partly.app.AsyncResult(billing.delay().id)
    with pytest.raises(CeleryTimeoutError):
        ResultSet([results[0], later], app=partly.app).get(timeout=0.1)


def test_one_statement_asks_for_all_results_of_a_set(partly: Shop) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    for number in range(10):
        partly.app.backend.store_result(f"plain {number}", number, "SUCCESS")
    results = [partly.app.AsyncResult(f"plain {number}") for number in range(10)]
    event.listen(partly.database.engine, "before_cursor_execute", note)
    assert ResultSet(results, app=partly.app).get(timeout=1) == list(range(10))
    event.remove(partly.database.engine, "before_cursor_execute", note)
    assert len(asked) == 1


@pytest.mark.skipif(not hasattr(AsyncResult, "exists"), reason="Celery has exists() from 5.7 on")
def test_a_result_of_either_kind_exists_when_its_task_has_ended(partly: Shop) -> None:
    billing = partly.task(produce_one, name="shop.billing.produce")
    result = partly.app.AsyncResult(billing.delay().id)
    assert not result.exists()
    partly.run(billing)
    assert result.exists()
    assert not partly.app.AsyncResult("office 1").exists()
    partly.app.backend.store_result("office 1", 2, "SUCCESS")
    assert partly.app.AsyncResult("office 1").exists()


def test_the_class_of_an_error_in_a_group_is_found(shop: Shop) -> None:
    @shop.task
    def act() -> None:
        raise ExceptionGroup("orders", [OutOfStockError("none left")])

    result = act.delay()
    shop.run(act)
    with pytest.raises(OutOfStockError, match="none left"):
        result.get(timeout=0)
