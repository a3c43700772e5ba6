"""The tasks of an application, as its team would write them."""

import asyncio
import contextlib
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connection, transaction

if django.VERSION[0] >= 6:
    from django.tasks import task
else:
    from django_tasks import task


running: list[int] = []


class CardRefusedError(Exception):
    """The bank refused the card."""


@task
def add(one: int, two: int = 2) -> int:
    return one + two


@task
def close_the_day() -> None: ...


@task(priority=40)
def urgent() -> None: ...


@task
def insert_order(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (number) VALUES (%s)", [number])


@task
def create_user(name: str) -> None:
    from django.contrib.auth import get_user_model

    get_user_model().objects.create(username=name)


@task
def fail(reason: str) -> None:
    raise CardRefusedError(reason)


@task
def fail_for_good(reason: str) -> None:
    raise CardRefusedError(reason)


@task(takes_context=True)
def tell_attempt(context: Any) -> list[Any]:
    if context.attempt == 1:
        raise ValueError("not yet")
    return [context.attempt, context.task_result.id, len(context.task_result.errors)]


@task
async def add_slowly(one: int, two: int) -> int:
    await asyncio.sleep(0)
    return one + two


@task(takes_context=True)
async def count_orders(context: Any) -> list[Any]:
    return [await sync_to_async(_count)(), context.attempt]


def _count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM orders")
        return cursor.fetchone()[0]


@task
async def keep_the_connection(statements: int) -> bool:
    """Waits until three of these tasks run. Returns whether the connection is the same after all statements."""
    running.append(statements)
    async with asyncio.timeout(30):
        while len(running) < 3:  # noqa: ASYNC110 - an event would belong to one event loop
            await asyncio.sleep(0)
    driver = await sync_to_async(_driver)()
    for _ in range(statements):
        await sync_to_async(_count)()
    return driver is await sync_to_async(_driver)()


def _driver() -> Any:
    connection.ensure_connection()
    return connection.connection


@task
def leave_open(number: int) -> None:
    transaction.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (number) VALUES (%s)", [number])


@task
def enter_atomic(number: int) -> None:
    transaction.atomic().__enter__()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (number) VALUES (%s)", [number])


@task
def execute_begin(number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO orders (number) VALUES (%s)", [number])


@task
def execute_begin_and_fail_a_statement(number: int) -> None:
    with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO no_such_table VALUES (%s)", [number])


@task
def lose_the_connection(number: int) -> None:
    with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@task
def return_an_object() -> Any:
    return object()


@task
def report(step: str) -> dict[str, str]:
    return {"step": step}
