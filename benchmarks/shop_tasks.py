"""An application whose tasks do nothing, for `python -m benchmarks.celery_tasks`. The application uses DurableCelery or
plain Celery."""

import os
from typing import Any

from celery import Celery

MANY = 300
IS_DURABLE = os.environ.get("SHOP_IS_DURABLE") == "yes"


def new_application() -> Celery:
    if not IS_DURABLE:
        return Celery("shop")  # CELERY_BROKER_URL names the broker
    from tasks.celery import DurableCelery

    return DurableCelery("shop")


app = new_application()


@app.task(name="shop.no_op", ignore_result=True)
def no_op(number: int) -> None: ...


def one_of_many(number: int) -> None: ...


for place in range(MANY):
    app.task(one_of_many, name=f"shop.task_{place}", ignore_result=True)

_connection: Any = None


@app.task(name="shop.with_row", ignore_result=True)
def with_row(number: int) -> None:
    """A task with a hand-written status table: the task first marks its row as running, and then as done."""
    connection = _connected()
    connection.execute(
        "UPDATE hand_written SET status = 'running', started_at = now() WHERE id = %s", [number]
    )
    connection.execute("UPDATE hand_written SET status = 'done', ended_at = now() WHERE id = %s", [number])


def _connected() -> Any:
    global _connection  # noqa: PLW0603  (one for each process)
    if _connection is None:
        import psycopg

        _connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return _connection
