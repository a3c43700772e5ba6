"""A shop, as a team would write it with plain Celery: its task writes an invoice for each order.
test_random_kills.py changes two lines of this module, and moves the call of the task into the transaction."""

import os
from contextlib import suppress
from typing import Any

import psycopg
from celery import Celery
from kombu.exceptions import OperationalError

app = Celery("shop_orders")
app.conf.update(broker_url=os.environ["CELERY_BROKER_URL"], task_ignore_result=True)

_connections: dict[int, psycopg.Connection[Any]] = {}


def database() -> psycopg.Connection[Any]:
    if os.getpid() not in _connections:
        _connections[os.getpid()] = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return _connections[os.getpid()]


@app.task(acks_late=True)
def invoice(order: int) -> None:
    database().execute("INSERT INTO invoices (order_id) VALUES (%s)", [order])


def sell(most: int) -> None:
    """Adds orders after the last order in the table, up to the number `most`."""
    [first] = database().execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone() or [1]
    for order in range(first, most + 1):
        with database().transaction():
            database().execute("INSERT INTO orders (id) VALUES (%s)", [order])
        with suppress(OperationalError):  # the customer sees an error, but the order exists
            invoice.delay(order)
