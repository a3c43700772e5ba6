"""`@flow`: a Python function becomes something that records can be processed with.

The first parameter receives the record's payload, as the type of its annotation or as JSON. Every other parameter is
filled by its annotation: `FlowContext`, or one of the connection types, which gives the handler the transaction that
the record's new status is committed in.
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
    """Register the function as a flow under its own name (or `name=`). The function itself is returned, so that it can
    be called and tested as what it is; it has `enqueue` and its relatives as attributes. Raises FlowDeclarationError at
    import."""
    if handler is None:
        return lambda function: _declare_and_register(function, options)
    return _declare_and_register(handler, options)


def _declare_and_register(handler: Handler, options: dict[str, Any]) -> Handler:
    declared = declare(handler, options)
    register(declared)
    give_enqueue_functions(handler, declared.name)
    return handler
