"""`@flow` turns a Python function into a flow, which processes records.

The first parameter receives the record's payload, as the type of its annotation or as JSON. For each further parameter,
the annotation decides what that parameter receives: `FlowContext`, or one of the connection types. A handler that
receives a connection works in the transaction that also commits the record's new status.
"""

from collections.abc import Callable
from typing import Any, Concatenate, Literal, Unpack, overload

from .declaration import declare
from .flow import Handler, OptionsButBatch
from .flow_function import BatchDecorator, Decorator, FlowFunction, P, R, Rest, give_enqueue_functions
from .registry import register


@overload
def flow(handler: Callable[Concatenate[P, Rest], R], /) -> FlowFunction[P, P, Rest, R]: ...
@overload
def flow(*, batch: Literal[True], **options: Unpack[OptionsButBatch]) -> BatchDecorator: ...
@overload
def flow(*, batch: Literal[False] = ..., **options: Unpack[OptionsButBatch]) -> Decorator: ...
def flow(handler: Handler | None = None, /, **options: Any) -> Any:
    """Register the function as a flow under its own name (or `name=`). Returns the function itself, so that it can
    still be called and tested. The function gets the attributes `enqueue`, `aenqueue`, `enqueue_many` and
    `aenqueue_many`. Raises FlowDeclarationError at import if the declaration is wrong."""
    if handler is None:
        return lambda function: _declare_and_register(function, options)
    return _declare_and_register(handler, options)


def _declare_and_register(handler: Handler, options: dict[str, Any]) -> Handler:
    declared = declare(handler, options)
    register(declared)
    give_enqueue_functions(handler, declared.name)
    return handler
