"""Asynchronous tasks that run at the same time use Django's connections of one thread. So no task closes a connection
that another task still uses, and no task completes while its writes are in a transaction that is rolled back."""

import asyncio
import dataclasses
import importlib
from typing import Any

import pytest

from tests.support.flow_runs import Worker


@pytest.fixture
def together(site: None) -> Any:
    """The function that surrounds each asynchronous task."""
    return importlib.import_module("tasks.django.record_connections").async_connections_of_a_record


async def in_the_thread(function: Any, *arguments: Any) -> Any:
    from asgiref.sync import sync_to_async

    return await sync_to_async(function)(*arguments)


def execute(statement: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement)


def is_connected() -> bool:
    from django.db import connection

    return connection.connection is not None and not connection.connection.closed


def test_a_task_that_ends_leaves_the_connection_to_the_others(shop: Any, task_worker: Worker) -> None:
    flow = task_worker.services.flows["tests.django.shop.tasks.keep_the_connection"]
    shop.running.clear()
    results = [shop.keep_the_connection.enqueue(statements) for statements in (1, 10, 20)]
    task_worker.make_due()
    task_worker.run(dataclasses.replace(flow, concurrency=3))
    for result in results:
        result.refresh()
    assert [result.return_value for result in results] == [True, True, True]


def test_the_last_task_closes_the_connection(together: Any) -> None:
    async def run() -> list[bool]:
        async with together():
            async with together():
                await in_the_thread(execute, "SELECT 1")
            during = await in_the_thread(is_connected)
        return [during, await in_the_thread(is_connected)]

    assert asyncio.run(run()) == [True, False]


@pytest.mark.parametrize("statement", ["BEGIN", "SELECT 1"])
def test_all_fail_if_one_leaves_a_transaction_open(
    together: Any, task_worker: Worker, statement: str
) -> None:
    """The rows of both tasks are in the transaction that the second one leaves open."""
    from django.db import transaction

    async def run() -> list[str]:
        said: list[str] = []
        try:
            async with together():
                try:
                    async with together():
                        await in_the_thread(transaction.set_autocommit, statement == "BEGIN")
                        await in_the_thread(execute, statement)
                        await in_the_thread(execute, "INSERT INTO orders (number) VALUES (1)")
                except Exception as error:  # noqa: BLE001
                    said.append(str(error))
        except Exception as error:  # noqa: BLE001
            said.append(str(error))
        return said

    said = asyncio.run(run())
    assert [text.partition(" returned with an open transaction on default")[0] for text in said] == [
        "the task",
        "another task, which shares the connection,",
    ]
    assert task_worker.query("SELECT count(*) FROM orders")[0].count == 0


def test_a_broken_connection_is_closed_while_other_tasks_run(together: Any) -> None:
    async def run() -> bool:
        async with together():
            async with together():
                with pytest.raises(Exception, match="terminating connection"):
                    await in_the_thread(execute, "SELECT pg_terminate_backend(pg_backend_pid())")
            await in_the_thread(execute, "SELECT 1")
            return await in_the_thread(is_connected)

    assert asyncio.run(run())
