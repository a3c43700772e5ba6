"""`@flow`: a Python function becomes something that records can be processed with.

The first parameter receives the record's payload. Every other parameter is filled by its annotation: `FlowContext`,
or one of the connection types, which gives the handler the transaction that the record's new status is committed in.
"""

from collections.abc import Callable
from typing import Any, TypeVar, Unpack, overload

from .declaration import declare
from .flow import FlowOptions, Handler
from .registry import register

H = TypeVar("H", bound=Handler)


@overload
def flow(handler: H, /) -> H: ...
@overload
def flow(**options: Unpack[FlowOptions]) -> Callable[[H], H]: ...
def flow(handler: Handler | None = None, /, **options: Any) -> Any:
    """Register the function as a flow under its own name (or `name=`). The function itself is returned unchanged,
    so that it can be called and tested as what it is. Raises FlowDeclarationError at import."""
    if handler is None:
        return lambda function: _declare_and_register(function, options)
    return _declare_and_register(handler, options)


def _declare_and_register(handler: Handler, options: dict[str, Any]) -> Handler:
    register(declare(handler, options))
    return handler
