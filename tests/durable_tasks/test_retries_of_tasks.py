"""The retries of a task are the retries of its record. They are counted only once, in the record."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery.exceptions import MaxRetriesExceededError

from queue_store.errors import PayloadRejectedError
from tasks import PermanentError
from tests.durable_tasks.conftest import Shop, run_until_ended


def test_a_retry_is_the_records(shop: Shop) -> None:
    tries: list[int] = []

    @shop.task(bind=True, max_retries=2)
    def charge(self: Any) -> str:
        tries.append(self.request.retries)
        if len(tries) < 3:
            raise self.retry(exc=ConnectionError("away"), countdown=60)
        return "charged"

    charge.delay()
    shop.run(charge)
    row = shop.row()
    assert (row.status, row.retry_count, row.error_message) == ("pending", 1, "away")
    assert row.scheduled_at - row.updated_at > timedelta(seconds=55)
    shop.worker.make_due()
    run_until_ended(shop, charge)
    assert (shop.row().status, shop.row().result, tries) == ("completed", "charged", [0, 1, 2])


def test_the_exception_of_a_retry_is_that_of_the_failure(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=1)
    def charge(self: Any) -> None:
        raise self.retry(exc=ConnectionError("away"), countdown=0)

    charge.delay()
    run_until_ended(shop, charge)
    attempts = shop.worker.query(
        "SELECT outcome, exception_type FROM record_attempts ORDER BY attempt_number"
    )
    assert [tuple(attempt) for attempt in attempts] == [
        ("retried", "ConnectionError"), ("failed", "ConnectionError"),
    ]  # fmt: skip
    assert shop.row().retry_count == 2


class TooLongError(PayloadRejectedError):
    """A PayloadRejectedError that Celery can pickle. Celery replaces an exception that it cannot pickle."""

    def __init__(self, *_: str) -> None:
        super().__init__("note", "too long")


def test_a_retry_with_a_group_is_a_retry(shop: Shop) -> None:
    """The flow retries these two exceptions only if the task calls retry()."""

    @shop.task(bind=True, max_retries=1)
    def charge(self: Any) -> None:
        reasons = [PermanentError("no such customer"), TooLongError()]
        raise self.retry(exc=ExceptionGroup("both", reasons), countdown=60)

    charge.delay()
    shop.run(charge)
    assert (shop.row().status, shop.row().retry_count) == ("pending", 1)


def test_without_an_exception_the_end_of_the_retries_is_celerys(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=0)
    def charge(self: Any) -> None:
        self.retry(countdown=0)

    charge.delay()
    shop.run(charge)
    assert shop.row().status == "failed"
    assert (
        MaxRetriesExceededError.__name__
        in shop.worker.query("SELECT * FROM record_attempts")[0].exception_type
    )


def test_a_call_of_retry_may_want_fewer_retries(shop: Shop) -> None:
    @shop.task(bind=True, max_retries=5)
    def charge(self: Any) -> None:
        self.retry(exc=ValueError("no"), countdown=0, max_retries=1)

    charge.delay()
    run_until_ended(shop, charge)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 2)


@pytest.mark.parametrize("named", ["an exception", "no exception"])
@pytest.mark.parametrize("way", ["max_retries", "retry_kwargs"])
def test_autoretry_for_does_not_go_on_after_the_fewer_retries_of_a_call(
    way: str, named: str, shop: Shop
) -> None:
    most = {"max_retries": 5} if way == "max_retries" else {"retry_kwargs": {"max_retries": 5}}

    @shop.task(bind=True, autoretry_for=(Exception,), default_retry_delay=0, **most)
    def charge(self: Any) -> None:
        error = ConnectionError("away") if named == "an exception" else None
        self.retry(exc=error, countdown=0, max_retries=1)

    for _ in range(2):
        charge.delay()
    run_until_ended(shop, charge)
    run_until_ended(shop, charge)
    assert [(row.status, row.retry_count) for row in shop.rows()] == [("failed", 2)] * 2


def test_the_fewer_retries_of_one_attempt_are_forgotten_by_the_next(shop: Shop) -> None:
    tries: list[int] = []

    @shop.task(bind=True, autoretry_for=(ConnectionError,), default_retry_delay=0, max_retries=3)
    def charge(self: Any) -> None:
        tries.append(self.request.retries)
        if len(tries) == 1:
            self.retry(countdown=0, max_retries=1)
        raise ConnectionError("away")

    charge.delay()
    run_until_ended(shop, charge)
    assert (shop.row().status, tries) == ("failed", [0, 1, 2, 3])


def test_an_error_that_nobody_retries_fails_at_once(shop: Shop) -> None:
    @shop.task(max_retries=5)
    def charge() -> None:
        raise ValueError("no")

    charge.delay()
    shop.run(charge)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 1)


@pytest.mark.parametrize("way", ["max_retries", "retry_kwargs"])
def test_autoretry_for_retries_with_its_back_off(way: str, shop: Shop) -> None:
    most = {"max_retries": 4} if way == "max_retries" else {"retry_kwargs": {"max_retries": 4}}

    @shop.task(
        autoretry_for=(ConnectionError,), retry_backoff=100, retry_backoff_max=300, retry_jitter=False, **most
    )
    def charge() -> None:
        raise ConnectionError("away")

    charge.delay()
    delays: list[float] = []
    for _ in range(5):
        shop.run(charge)
        row = shop.row()
        if row.status == "pending":
            delays.append((row.scheduled_at - row.updated_at).total_seconds())
            shop.worker.make_due()
    assert delays == pytest.approx([100, 200, 300, 300], abs=20)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 5)


def test_jitter_shortens_the_delay_at_random(shop: Shop) -> None:
    @shop.task(autoretry_for=(ConnectionError,), retry_backoff=1000, max_retries=None)
    def charge() -> None:
        raise ConnectionError("away")

    for _ in range(5):
        charge.delay()
    shop.run(charge)
    delays = {round((row.scheduled_at - row.updated_at).total_seconds()) for row in shop.rows()}
    assert len(delays) > 1
    assert all(-1 <= delay <= 600 for delay in delays)


def test_a_retry_may_name_the_instant(shop: Shop) -> None:
    at = datetime.now(UTC) + timedelta(days=30)

    @shop.task(bind=True)
    def charge(self: Any) -> None:
        self.retry(eta=at)

    charge.delay()
    shop.run(charge)
    assert abs(shop.row().scheduled_at - at) < timedelta(minutes=5)


def test_a_retry_after_more_than_a_year_is_refused(shop: Shop) -> None:
    @shop.task(bind=True)
    def charge(self: Any) -> None:
        self.retry(countdown=400 * 86_400)

    charge.delay()
    shop.run(charge)
    assert shop.row().status == "failed"
    assert "a year" in shop.row().error_message
