"""Reads from a handler's signature what its parameters receive."""

import inspect
from dataclasses import dataclass
from typing import Any

from .context import FlowContext
from .flow import Handler
from .transaction_types import is_async_transaction, is_sync_transaction


@dataclass(slots=True)
class Signature:
    payload: Any = Any
    context: str | None = None
    transaction: str | None = None
    transaction_type: type | None = None


def read_signature(handler: Handler) -> Signature:
    """Raises ValueError for a function that cannot be a handler."""
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise ValueError("a handler returns its result: it must not be a generator")
    payload, *others = _parameters(handler)
    found = Signature(payload.annotation)
    for parameter in others:
        annotation = getattr(parameter.annotation, "__origin__", parameter.annotation)
        if annotation is FlowContext:
            found.context = parameter.name
        elif is_sync_transaction(annotation) or is_async_transaction(annotation):
            if found.transaction is not None:
                raise ValueError(
                    f"{found.transaction} and {parameter.name}: a handler can take one transaction only"
                )
            found.transaction, found.transaction_type = parameter.name, annotation
        elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD,
        ):  # fmt: skip
            raise ValueError(
                f"parameter {parameter.name} must be annotated with FlowContext or a connection type"
            )
    return found


def _parameters(handler: Handler) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(handler, eval_str=True).parameters.values())
    except NameError as error:
        raise ValueError(f"an annotation cannot be resolved at import: {error}") from None
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        raise ValueError("the handler needs a first parameter for the payload")
    return parameters
