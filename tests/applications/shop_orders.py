"""A shop that has a task invoice each order, as a team writes it on plain Celery. test_random_kills.py changes two
lines of it, and moves the call into the transaction."""

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
    """This process' own."""
    if os.getpid() not in _connections:
        _connections[os.getpid()] = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return _connections[os.getpid()]


@app.task(acks_late=True)
def invoice(order: int) -> None:
    database().execute("INSERT INTO invoices (order_id) VALUES (%s)", [order])


def sell(most: int) -> None:
    """Orders up to this number, from the first one that is not there."""
    [first] = database().execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone() or [1]
    for order in range(first, most + 1):
        with database().transaction():
            database().execute("INSERT INTO orders (id) VALUES (%s)", [order])
        with suppress(OperationalError):  # the customer sees an error, and the order is there
            invoice.delay(order)
