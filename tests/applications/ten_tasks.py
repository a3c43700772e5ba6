"""An application with ten tasks, as a team would write it with plain Celery. test_ten_tasks.py changes two lines."""

import os
import time
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from celery import Celery, Task, shared_task, signals
from celery.exceptions import SoftTimeLimitExceeded
from pydantic import BaseModel

app = Celery("ten_tasks")
app.conf.update(broker_url=os.environ["CELERY_BROKER_URL"], result_backend=os.environ["CELERY_BROKER_URL"])


class OutOfStockError(Exception):
    pass


class Order(BaseModel):
    number: int
    copies: int = 1


class Audited(Task):
    abstract = True

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        note(f"audited {self.name}: {retval}")


@app.task
def add(a: int, b: int = 1) -> int:
    return a + b


@app.task(bind=True, autoretry_for=(ConnectionError,), retry_backoff=1, retry_jitter=False, max_retries=3)
def flaky(self: Any, text: str) -> str:
    note(f"flaky {text} {self.request.retries}")
    if self.request.retries < 1:
        raise ConnectionError("away")
    return f"{text} after {self.request.retries}"


@app.task(bind=True, max_retries=1, default_retry_delay=0)
def give_up(self: Any) -> None:
    note(f"give up {self.request.retries}")
    raise self.retry(exc=OutOfStockError("none left"))


@app.task
def fail(number: int) -> None:
    raise ValueError(f"order {number} is wrong")


@app.task
def keep_types(at: datetime, day: date, token: UUID, price: Decimal) -> list[str]:
    return [f"{type(value).__name__} {value}" for value in (at, day, token, price)]


@app.task(pydantic=True)
def double(order: Order) -> Order:
    return Order(number=order.number, copies=2 * order.copies)


@app.task(soft_time_limit=1)
def too_slow() -> str:
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return "stopped"
    return "slept"


@app.task(bind=True, ignore_result=True)
def tell(self: Any, result: Any, to: str) -> None:
    note(f"tell {to}: {result}, tenant {(self.request.headers or {}).get('tenant')}")


@app.task(base=Audited)
def charge(order: int) -> str:
    tell.delay(f"charged {order}", "shop")
    return f"charged {order}"


@shared_task(name="ten_tasks.shared")
def shared(order: int) -> str:
    return f"shared {order}"


@signals.task_failure.connect
def remember_failure(sender: Any = None, exception: Any = None, **_: Any) -> None:
    note(f"failed {sender.name}: {exception}")


def note(text: str) -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("INSERT INTO notes (text) VALUES (%s)", [text])


def use_all(patience_seconds: float = 60) -> list[Any]:
    """Calls every task, and uses several of the ways in which Celery can call tasks. Returns the state and the result
    or error of each call."""
    token, at = UUID(int=7), datetime(2026, 1, 31, 12, 30)  # noqa: DTZ001
    results = [
        add.delay(1, 2),
        add.apply_async((1,), {"b": 4}, countdown=1),
        add.apply_async((5,), link=tell.s("linked")),
        add.s(2).delay(),
        app.send_task("tests.applications.ten_tasks.add", [3, 4], task_id="of-the-caller"),
        flaky.delay("first"),
        give_up.delay(),
        fail.delay(17),
        keep_types.delay(at, at.date(), token, Decimal("1.10")),
        double.delay({"number": 3, "copies": 2}),
        too_slow.delay(),
        charge.delay(17),
        shared.delay(18),
    ]
    told = tell.apply_async((1, "team"), headers={"tenant": "a"}, eta=app.now() + timedelta(seconds=1))
    assert told.get() is None
    ends: list[Any] = []
    for result in results:
        value = result.get(timeout=patience_seconds, propagate=False)
        ends.append([result.state, value if not isinstance(value, BaseException) else describe(value)])
    return ends


def describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
