"""A soft time limit raises Celery's own exception, with or without other limits."""

import time

import pytest
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from processing_queue.celery import NotDurableError
from tasks.background.other_tasks import serve_other_tasks
from tests.durable_tasks.conftest import Shop

SOFT_SECONDS = 0.5  # long enough to enter the `try`, even on a slow machine


def test_a_soft_limit_raises_celerys_own_exception(shop: Shop) -> None:
    @shop.task(soft_time_limit=SOFT_SECONDS, time_limit=60)
    def sleep() -> str:
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            return "cleaned up"
        return "slept"

    sleep.delay()
    shop.run(sleep)
    assert shop.row().result == "cleaned up"


def test_a_worker_that_takes_the_limits_of_tasks_over_leaves_those_of_records(shop: Shop) -> None:
    @shop.task(soft_time_limit=SOFT_SECONDS, time_limit=60)
    def sleep() -> None:
        time.sleep(30)

    with Celery("worker", set_as_current=False) as worker_app:
        serve_other_tasks(worker_app)
        assert worker_app.tasks["shop.sleep"] is shop.app.tasks["shop.sleep"]
    sleep.apply_async(time_limit=60, soft_time_limit=SOFT_SECONDS)
    with pytest.raises(NotDurableError, match="declare it"):
        sleep.apply_async(time_limit=61)
    shop.run(sleep)
    assert shop.row().status == "failed"


def test_a_soft_limit_works_without_a_hard_one(shop: Shop) -> None:
    @shop.task(soft_time_limit=SOFT_SECONDS)
    def sleep() -> None:
        time.sleep(30)

    sleep.delay()
    shop.run(sleep)
    assert shop.row().status == "failed"
    assert shop.worker.query("SELECT * FROM record_attempts")[0].exception_type == "SoftTimeLimitExceeded"


def test_the_hard_limit_goes_on_after_the_soft_one(shop: Shop) -> None:
    @shop.task(soft_time_limit=SOFT_SECONDS, time_limit=2 * SOFT_SECONDS)
    def sleep() -> None:
        try:
            time.sleep(30)
        except SoftTimeLimitExceeded:
            time.sleep(30)

    sleep.delay()
    shop.run(sleep)
    assert shop.row().status == "failed"
    assert shop.worker.query("SELECT * FROM record_attempts")[0].exception_type == "TimeLimitExceededError"
