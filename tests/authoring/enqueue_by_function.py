"""Calls of a flow's `enqueue` methods, some right and some wrong. A type checker checks them.

`make lint` checks this file. The type checker must find an error in each line with an ignore comment. If such a line is
right, the type checker reports the comment as unnecessary. Every other line must pass.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=error

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_type

from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from queue_store.enqueueing import Enqueued, EnqueuedMany, NewRecord
from tasks import FlowContext, flow


@dataclass
class Order:
    order_id: int


@dataclass
class Refund:
    order_id: int


@flow
def send_invoice(payload: Order, connection: Connection) -> int:
    return payload.order_id


@flow(max_retries=2)
async def send_refund(payload: Refund, context: FlowContext[Refund]) -> None:
    assert_type(context.payload, Refund)


@flow(batch=True)
def book(records: list[FlowContext[Order]]) -> None:
    assert_type([record.payload for record in records], list[Order])


@flow
def greet(payload: dict[str, Any]) -> str:
    return payload["name"]


def by_function(session: Session, orders: Sequence[Order]) -> None:
    assert_type(send_invoice.enqueue(session, Order(1), priority=2, dedup_key="order 1"), Enqueued)
    assert_type(send_invoice.enqueue_many(session, orders, with_ids=True), EnqueuedMany)
    send_invoice.enqueue_many(session, [NewRecord(order, priority=1) for order in orders])
    book.enqueue(session, Order(1))
    greet.enqueue(session, {"name": "Ada"})


async def asynchronously(session: AsyncSession) -> None:
    assert_type(await send_refund.aenqueue(session, Refund(1)), Enqueued)
    assert_type(await send_refund.aenqueue_many(session, [Refund(1)]), EnqueuedMany)


def wrong(session: Session, refunds: list[Refund]) -> None:
    send_invoice.enqueue(session, Refund(1))  # pyright: ignore[reportArgumentType]
    send_invoice.enqueue(session, {"order_id": 1})  # pyright: ignore[reportArgumentType]
    send_invoice.enqueue(session)  # pyright: ignore[reportCallIssue]
    send_invoice.enqueue(session, Order(1), prio=2)  # pyright: ignore[reportCallIssue]
    send_invoice.enqueue_many(session, refunds)  # pyright: ignore[reportArgumentType]
    send_invoice.enqueue_many(session, [NewRecord(Refund(1))])  # pyright: ignore[reportArgumentType]
    book.enqueue(session, Refund(1))  # pyright: ignore[reportArgumentType]
    greet.enqueue(session, "Ada")  # pyright: ignore[reportArgumentType]


async def wrong_asynchronously(session: AsyncSession, plain: Session) -> None:
    await send_refund.aenqueue(session, Order(1))  # pyright: ignore[reportArgumentType]
    await send_refund.aenqueue_many(session, [Order(1)])  # pyright: ignore[reportArgumentType]
    await send_refund.aenqueue(plain, Refund(1))  # pyright: ignore[reportArgumentType]


def still_a_function(connection: Connection) -> None:
    assert_type(send_invoice(Order(1), connection), int)
    assert_type(greet({"name": "Ada"}), str)
    send_invoice(Refund(1), connection)  # pyright: ignore[reportArgumentType]
