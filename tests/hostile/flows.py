"""One flow for each mode of running handlers. A record says in its payload what its handler does wrong, if anything."""

import time
from typing import Any

import psycopg
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import Session

from tasks import Backoff, FlowContext, flow
from tests.hostile.misuses import DEADLY, DRIVER, ENDLESS, LOOP, PROCESS, RETURNS, SQL, TENANT

EFFECT = """
INSERT INTO hostile_effects (record_id, path, role, tenant, status)
SELECT {id}, current_setting('search_path'), current_user, coalesce(current_setting('app.tenant', true), ''),
    (SELECT status FROM public.processing_queue WHERE id = {id})
"""
OPTIONS: dict[str, Any] = {"max_retries": 1, "backoff": Backoff.fixed(0.2), "time_limit_seconds": 4}
SESSION: dict[str, Any] = {
    "session_settings": ("role", "search_path", "app.tenant", "session_replication_role")
}


@flow(batch_size=200)
def neighbour(payload: Any) -> None:
    """The worker must process the records of this flow, whatever happens to the other flows."""


@flow(**OPTIONS)
def plain(payload: Any) -> Any:
    return misuse_process(payload)


@flow(**OPTIONS, concurrency=4)
def threads(payload: Any) -> Any:
    return misuse_process(payload)


@flow(**OPTIONS, concurrency=4)
async def asynchronous(payload: Any) -> Any:
    return await misuse_loop(payload)


@flow(**OPTIONS, batch=True, batch_size=1)
def batch(contexts: list[FlowContext]) -> None:
    for context in contexts:
        misuse_process(context.payload)


@flow(**OPTIONS, **SESSION)
def with_connection(payload: Any, connection: Connection, context: FlowContext) -> Any:
    connection.exec_driver_sql(effect(context))
    for statement in statements(payload):
        connection.exec_driver_sql(statement)
    return misuse_driver(payload, connection.connection.driver_connection)


@flow(**OPTIONS, **SESSION)
def with_session(payload: Any, session: Session, context: FlowContext) -> Any:
    return with_connection(payload, session.connection(), context)


@flow(**OPTIONS, **SESSION)
def with_psycopg(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> Any:
    connection.execute(effect(context).encode())
    for statement in statements(payload):
        connection.execute(statement.encode())
    return misuse_driver(payload, connection)


@flow(**OPTIONS, **SESSION)
async def with_async_connection(payload: Any, connection: AsyncConnection, context: FlowContext) -> Any:
    await connection.exec_driver_sql(effect(context))
    for statement in statements(payload):
        await connection.exec_driver_sql(statement)
    driver = (await connection.get_raw_connection()).driver_connection
    return await misuse_async_driver(payload, driver)


@flow(**OPTIONS, **SESSION)
async def with_async_session(payload: Any, session: AsyncSession, context: FlowContext) -> Any:
    return await with_async_connection(payload, await session.connection(), context)


@flow(**OPTIONS, **SESSION)
async def with_async_psycopg(
    payload: Any, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> Any:
    await connection.execute(effect(context).encode())
    for statement in statements(payload):
        await connection.execute(statement.encode())
    return await misuse_async_driver(payload, connection)


@flow(**OPTIONS, **SESSION, batch=True, batch_size=1)
def batch_with_psycopg(contexts: list[FlowContext], connection: "psycopg.Connection[Any]") -> None:
    for context in contexts:
        with_psycopg(context.payload, connection, context)


@flow(**OPTIONS, **SESSION, express=True, batch_size=5)
def express_with_psycopg(payload: Any, connection: "psycopg.Connection[Any]", context: FlowContext) -> Any:
    return with_psycopg(payload, connection, context)


@flow(**OPTIONS, **SESSION, express=True, batch_size=5)
async def express_with_async_psycopg(
    payload: Any, connection: "psycopg.AsyncConnection[Any]", context: FlowContext
) -> Any:
    return await with_async_psycopg(payload, connection, context)


def effect(context: FlowContext) -> str:
    return EFFECT.format(id=context.record_id)


def statements(payload: Any) -> list[str]:
    return ["SELECT 1" if sql == "SLEEP" else sql for sql in SQL.get(payload["do"], [])]


def misuse_process(payload: Any) -> Any:
    if payload["do"] is None:
        assert TENANT.get() == "nobody"
        return None
    return (PROCESS | DEADLY | ENDLESS | RETURNS).get(payload["do"], lambda: None)()


async def misuse_loop(payload: Any) -> Any:
    if payload["do"] in LOOP:
        return await LOOP[payload["do"]]()
    return misuse_process(payload)


def misuse_driver(payload: Any, driver: Any) -> Any:
    if "SLEEP" in SQL.get(payload["do"], []):
        time.sleep(0.3)
    if payload["do"] in DRIVER:
        return DRIVER[payload["do"]](driver)
    return misuse_process(payload)


async def misuse_async_driver(payload: Any, driver: Any) -> Any:
    if "SLEEP" in SQL.get(payload["do"], []):
        time.sleep(0.3)  # noqa: ASYNC251
    if payload["do"] in DRIVER:
        done = DRIVER[payload["do"]](driver)
        return await done if hasattr(done, "__await__") else done
    return await misuse_loop(payload)
