"""Finds out what may get lost between a Pydantic object and its JSON: from the type's declaration, and from values."""

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from typing import Any, cast

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

_USERS_OWN = ("default", "metadata", "expected")  # parts of a core schema that hold the user's objects


def has_secrets(core_schema: Any) -> bool:
    """Whether the type contains a secret. Pydantic writes secrets as asterisks unless a serializer does otherwise."""
    return any(
        getattr(node.get("function"), "__name__", "").startswith("_serialize_secret")
        for node in _nodes(core_schema)
    )


def may_lose_values(core_schema: Any) -> bool:
    """Whether a value may get lost: Pydantic may read a field under a different name than it writes, may ignore a field
    when it reads, or may read an object as another member of its union."""
    return any(
        node.get("validation_alias") != node.get("serialization_alias")
        or node.get("init") is False
        or node.get("mode") == "left_to_right"
        for node in _nodes(core_schema)
    )


def is_of_models(value: Any) -> bool:
    """Whether the value is a model or a Pydantic dataclass, or contains only such objects. JSON values do not count."""
    if isinstance(value, Mapping):
        value = list(cast("Mapping[Any, Any]", value).values())
    members = cast("Iterable[Any]", value) if isinstance(value, list | tuple | set | frozenset) else (value,)
    return all(hasattr(type(member), "__pydantic_core_schema__") for member in members)


def secrets_in(value: Any) -> list[Any]:
    """The secrets in a dump of the mode `python`."""
    if isinstance(value, Secret | SecretStr | SecretBytes):
        return [cast("SecretStr", value).get_secret_value()]
    if isinstance(value, Mapping):
        value = list(cast("Mapping[Any, Any]", value).values())
    if isinstance(value, list | tuple | set | frozenset):
        return [secret for inner in cast("Iterable[Any]", value) for secret in secrets_in(inner)]
    return []


def without_shadows(value: Any) -> Any:
    """Returns the value without its shadows. A shadow is an extra field that has the name of a declared field. A dump
    would show the shadow in place of the declared field."""
    if any(True for _ in _shadows(value)):
        value = deepcopy(value)
        for extras, name in list(_shadows(value)):
            extras.pop(name, None)
    return value


def _shadows(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    inner: Iterable[Any] = ()
    if isinstance(value, Mapping):
        inner = cast("Mapping[Any, Any]", value).values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = cast("Iterable[Any]", value)
    elif hasattr(type(value), "__pydantic_core_schema__"):
        inner = getattr(value, "__dict__", {}).values()
    if isinstance(value, BaseModel) and (extras := value.__pydantic_extra__):
        written = {field.serialization_alias or name for name, field in type(value).model_fields.items()}
        yield from ((extras, name) for name in extras if name in written)
    for part in inner:
        yield from _shadows(part)


def first_difference(written: Any, read: Any) -> list[str | int]:
    """The path to the first part of `written` that `read` does not contain."""
    pairs: Iterable[tuple[Any, Any, Any]] = ()
    if isinstance(written, dict) and isinstance(read, dict):
        fields = cast("dict[str, Any]", written)
        pairs = [(key, value, cast("dict[str, Any]", read).get(key)) for key, value in fields.items()]
    elif isinstance(written, list) and isinstance(read, list):
        items = zip(cast("list[Any]", written), cast("list[Any]", read), strict=False)
        pairs = [(place, *pair) for place, pair in enumerate(items)]
    for place, one, other in pairs:
        if one != other:
            return [place, *first_difference(one, other)]
    return []


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries of a core schema."""
    inner: Iterable[Any] = ()
    if isinstance(schema, dict):
        node = cast("dict[str, Any]", schema)
        yield node
        inner = (value for key, value in node.items() if key not in _USERS_OWN)
    elif isinstance(schema, list | tuple):
        inner = cast("Iterable[Any]", schema)
    for part in inner:
        yield from _nodes(part)
