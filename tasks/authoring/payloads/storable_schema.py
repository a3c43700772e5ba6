"""The form of a JSON Schema that Postgres stores as jsonb."""

import math
from typing import Any, cast

from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import check_text


def storable_schema(schema: dict[str, Any], place: str = "schema") -> dict[str, Any]:
    """The schema without defaults of infinity or NaN, which JSON cannot contain. Such a default only informs readers of
    the schema, because the type itself supplies the default. For any other value that Postgres refuses, raises
    PayloadRejectedError with the value's place."""
    storable: dict[str, Any] = {}
    for key, value in schema.items():
        check_text(str(key), place)
        if not (key == "default" and _is_no_number(value)):
            storable[key] = _storable(value, f"{place}.{key}")
    return storable


def _storable(value: object, place: str) -> Any:
    if isinstance(value, dict):
        return storable_schema(cast("dict[str, Any]", value), place)
    if isinstance(value, list | tuple):
        items = cast("list[object] | tuple[object, ...]", value)
        return [_storable(inner, f"{place}[{position}]") for position, inner in enumerate(items)]
    if isinstance(value, str):
        check_text(value, place)
    elif _is_no_number(value):
        raise PayloadRejectedError(place, f"{value} is not a JSON number")
    elif value is not None and not isinstance(value, int | float):
        raise PayloadRejectedError(place, f"{type(value).__name__} is not JSON")
    return value


def _is_no_number(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
