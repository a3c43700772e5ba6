"""The function that `@flow` returns, as type checkers see it. It can be called like the undecorated function, and has
methods that enqueue.

    send_invoice.enqueue(session, Order(order_id=17))

A type checker refuses a payload of the wrong type. At run time, `enqueue` refuses that payload, and names the path of
the wrong field.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack

from queue_store.enqueueing import (
    Enqueued,
    EnqueuedMany,
    NewRecord,
    OnDuplicate,
    RecordOptions,
    aenqueue,
    aenqueue_many,
    enqueue,
    enqueue_many,
)
from queue_store.errors import QueueStoreError

from .context import FlowContext

if TYPE_CHECKING:
    from queue_store.enqueueing.connections import AsyncConnections, SyncConnection
    from queue_store.enqueueing.hints import HintSender

First_contra = TypeVar("First_contra", contravariant=True)
Payload_contra = TypeVar("Payload_contra", contravariant=True)
P = TypeVar("P")
Rest = ParamSpec("Rest")
R = TypeVar("R")
Returned_co = TypeVar("Returned_co", covariant=True)

FLOW_NAMES = "processing_queue_flow_names"
ENQUEUE_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "enqueue": enqueue, "aenqueue": aenqueue, "enqueue_many": enqueue_many, "aenqueue_many": aenqueue_many,
}  # fmt: skip


class FlowFunction(Protocol, Generic[First_contra, Payload_contra, Rest, Returned_co]):
    """A flow's function. The function's methods that enqueue have the same names, parameters and errors as the
    functions of `queue_store`, but no parameter `flow_name`."""

    __name__: str
    __qualname__: str

    def __call__(self, payload: First_contra, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Returned_co: ...

    def enqueue(
        self,
        connection: "SyncConnection",
        payload: Payload_contra,
        *,
        on_duplicate: OnDuplicate = "raise",
        hint_sender: "HintSender | None" = None,
        **options: Unpack[RecordOptions],
    ) -> Enqueued: ...

    async def aenqueue(
        self,
        connection: "AsyncConnections",
        payload: Payload_contra,
        *,
        on_duplicate: OnDuplicate = "raise",
        hint_sender: "HintSender | None" = None,
        **options: Unpack[RecordOptions],
    ) -> Enqueued: ...

    def enqueue_many(
        self,
        connection: "SyncConnection",
        rows: "Iterable[Payload_contra | NewRecord[Payload_contra]]",
        *,
        on_duplicate: OnDuplicate = "raise",
        with_ids: bool = False,
        hint_sender: "HintSender | None" = None,
        **options: Unpack[RecordOptions],
    ) -> EnqueuedMany: ...

    async def aenqueue_many(
        self,
        connection: "AsyncConnections",
        rows: "Iterable[Payload_contra | NewRecord[Payload_contra]]",
        *,
        on_duplicate: OnDuplicate = "raise",
        with_ids: bool = False,
        hint_sender: "HintSender | None" = None,
        **options: Unpack[RecordOptions],
    ) -> EnqueuedMany: ...


class Decorator(Protocol):
    """`@flow(…)` for a handler of single records."""

    def __call__(self, handler: Callable[Concatenate[P, Rest], R], /) -> FlowFunction[P, P, Rest, R]: ...


class BatchDecorator(Protocol):
    """`@flow(batch=True, …)`: the payload's type is the P of `list[FlowContext[P]]`."""

    def __call__(
        self, handler: Callable[Concatenate[list[FlowContext[P]], Rest], R], /
    ) -> FlowFunction[list[FlowContext[P]], P, Rest, R]: ...


def give_enqueue_functions(handler: Callable[..., Any], flow_name: str) -> None:
    """Sets ENQUEUE_FUNCTIONS as attributes of the handler. Two kinds of handlers cannot use these attributes: a handler
    that cannot have attributes, such as a bound method, and a handler that is declared as several flows. For these
    handlers, enqueue with the functions of `queue_store` and the name of the flow."""
    names: list[str] = getattr(handler, FLOW_NAMES, [])
    if flow_name not in names:
        names.append(flow_name)
    with suppress(AttributeError):
        setattr(handler, FLOW_NAMES, names)
        for name, function in ENQUEUE_FUNCTIONS.items():
            setattr(handler, name, _for_flow(function, names))


def _for_flow(function: Callable[..., Any], flow_names: list[str]) -> Callable[..., Any]:
    def for_flow(connection: object, *arguments: Any, **options: Any) -> Any:
        if len(flow_names) > 1:
            raise QueueStoreError(
                f"this function is declared as the flows {', '.join(flow_names)}: enqueue by name"
            )
        return function(connection, flow_names[0], *arguments, **options)

    return for_flow
