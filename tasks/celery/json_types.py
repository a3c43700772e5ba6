"""Converts arguments and results into JSON, and back. If Celery's own serializer knows the type of a value, such as
datetime, UUID or Decimal, the value comes back with the same type."""

import json
from typing import Any

from kombu.exceptions import EncodeError
from kombu.utils.json import dumps, loads

from queue_store.errors import PayloadRejectedError

_MARK = b'"__type__"'


def as_json(value: Any, field: str) -> Any:
    """The value, converted to plain JSON types. Raises PayloadRejectedError."""
    try:
        return json.loads(dumps(value))
    except (TypeError, ValueError, RecursionError, EncodeError) as error:
        raise PayloadRejectedError(field, f"cannot be written as JSON: {error}") from None


def from_json(encoded: bytes, plain: Any) -> Any:
    """Decodes the JSON, and restores the types that Celery's serializer knows. `plain`: the same JSON, decoded without
    restoring these types. `plain` is returned unchanged if no value in `encoded` has such a type."""
    return loads(encoded) if _MARK in encoded.replace(b" ", b"") else plain


def decoded(plain: Any) -> Any:
    """The value from which `as_json` made `plain`."""
    return loads(json.dumps(plain))
