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
    assert len(said) == 2
    assert len(set(said)) == 1  # nothing shows which of them opened the transaction
    assert said[0].startswith(
        "the task or another task that shares its connection left a transaction open on default"
    )
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


def fail_a_statement() -> None:
    from django.db import DatabaseError

    with pytest.raises(DatabaseError):
        execute("SELECT no_such_column")


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    from django.db import connection

    checks: list[int] = []
    is_usable = connection.is_usable
    monkeypatch.setattr(
        connections_default(), "is_usable", lambda: checks.append(1) or is_usable(), raising=False
    )
    return checks


def connections_default() -> Any:
    from django.db import connections

    return connections["default"]


def test_an_error_is_checked_once(together: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a reset, the connection would be checked after each of the following tasks."""

    async def run() -> int:
        async with together():
            await in_the_thread(fail_a_statement)
            checks = await in_the_thread(count_checks, monkeypatch)
            for _ in range(3):
                async with together():
                    await in_the_thread(execute, "SELECT 1")
            return len(checks)

    assert asyncio.run(run()) == 1


def test_health_checks_find_a_connection_that_breaks_between_two_tasks(
    together: Any, task_worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections

    monkeypatch.setitem(connections.settings["default"], "CONN_HEALTH_CHECKS", True)

    async def run() -> bool:
        async with together():
            async with together():
                pid = await in_the_thread(session_of_django)
            task_worker.query(f"SELECT pg_terminate_backend({pid}, 5000)")
            async with together():
                return await in_the_thread(session_of_django) != pid

    assert asyncio.run(run())


def session_of_django() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]
