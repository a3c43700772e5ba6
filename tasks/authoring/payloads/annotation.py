"""The annotation of a handler's first parameter decides what the handler receives: an object of a type, or plain
JSON."""

import inspect
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import is_dataclass
from importlib import import_module
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin, is_typeddict

from ..context import FlowContext
from .codec import Codec

_PLAIN = (inspect.Parameter.empty, Any, object, None, NoneType, str, int, float, bool, dict, list)
_PLAIN_ORIGINS = (dict, list, Mapping, MutableMapping, Sequence, Union, UnionType)


def payload_annotation(annotation: Any, *, is_batch: bool) -> Any:
    """The type of the payload. For a batch handler, this type is the X of `list[FlowContext[X]]`. Raises ValueError if
    a batch handler is annotated to receive objects other than FlowContexts."""
    if not is_batch:
        return annotation
    for part in _parts(annotation):
        if get_origin(part) is FlowContext:
            return get_args(part)[0]
        if part is FlowContext:
            return Any
    if not is_plain(annotation):
        raise ValueError(
            f"a batch handler is given FlowContexts: annotate its records as list[FlowContext[{named(annotation)}]]"
        )
    return Any


def is_plain(annotation: Any) -> bool:
    """Whether the annotation asks for plain JSON only."""
    if isinstance(annotation, TypeVar) or annotation in _PLAIN or annotation in _PLAIN_ORIGINS:
        return True
    if isinstance(annotation, NewType):
        return is_plain(annotation.__supertype__)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return True
    if origin is Annotated:
        return is_plain(arguments[0])
    return origin in _PLAIN_ORIGINS and all(is_plain(argument) for argument in arguments)


def codec_of(annotation: Any) -> Codec:
    """Raises ValueError for a type that no installed library can decode."""
    library = "pydantic" if any(_is_of_pydantic(part) for part in _parts(annotation)) else "msgspec"
    name = named(annotation)
    try:
        module = import_module(f"{__package__}.{library}_codec")
    except ModuleNotFoundError as error:
        if error.name != library:
            raise
        raise ValueError(
            f"the payload is annotated {name}, which needs {library} for decoding, but {library} is not installed: "
            f"pip install 'processing-queue[{library}]'"
        ) from None
    try:
        return module.MsgspecCodec(annotation) if library == "msgspec" else module.PydanticCodec(annotation)
    except ValueError as problem:
        raise ValueError(
            f"the payload is annotated {name}, which {library} cannot decode from JSON ({problem}): "
            f"{_way_out(annotation, library)}"
        ) from None


def _way_out(annotation: Any, library: str) -> str:
    if library == "msgspec" and is_dataclass(annotation):
        return "use pydantic.dataclasses.dataclass, types that msgspec knows, or dict"
    if library == "msgspec" and is_typeddict(annotation):
        return "use types that msgspec knows, or dict"
    return "annotate a Pydantic model, a dataclass, a TypedDict, a msgspec Struct, or dict"


def _parts(annotation: Any) -> Iterator[Any]:
    """The annotation and all types that it contains."""
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def _is_of_pydantic(part: Any) -> bool:
    is_type = hasattr(part, "__get_pydantic_core_schema__") or hasattr(part, "__pydantic_core_schema__")
    return is_type or type(part).__module__.partition(".")[0] == "pydantic"


def named(annotation: Any) -> str:
    return getattr(annotation, "__name__", None) or str(annotation)
