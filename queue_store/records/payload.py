"""What may be stored as a payload or a result, checked at the door: Postgres accepts less than Python's JSON does,
and some of what it accepts breaks whoever reads it."""

import math
from typing import Any, cast

import orjson

from queue_store.errors import PayloadRejectedError

MAXIMUM_DEPTH = 100
_OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def encode_json(value: object, limit_bytes: int, field: str = "payload") -> bytes:
    """The value as UTF-8 JSON. Raises PayloadRejectedError that names the place inside the value."""
    try:
        encoded = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, RecursionError) as error:
        _inspect(value, field, 0)
        raise PayloadRejectedError(field, str(error)) from None
    # orjson writes NaN as null, and a NUL and deep nesting pass: worth a closer look only where the text hints at it.
    if (
        b"null" in encoded
        or b"\\u0000" in encoded
        or encoded.count(b"[") + encoded.count(b"{") > MAXIMUM_DEPTH
    ):
        _inspect(value, field, 0)
    if len(encoded) > limit_bytes:
        raise PayloadRejectedError(
            field,
            f"{len(encoded)} bytes of JSON, the limit is {limit_bytes}: store the data elsewhere and refer to it",
        )
    return encoded


def decode_json(encoded: bytes | str) -> Any:
    """Raises PayloadRejectedError for what valid JSON can still hold: numbers beyond a double, deep nesting."""
    try:
        return orjson.loads(encoded)
    except orjson.JSONDecodeError as error:
        raise PayloadRejectedError("payload", f"cannot be decoded: {error}") from None


def _inspect(value: object, place: str, depth: int) -> None:
    if depth > MAXIMUM_DEPTH:
        raise PayloadRejectedError(
            _shorten(place), f"nested deeper than {MAXIMUM_DEPTH} levels, or refers to itself"
        )
    if isinstance(value, dict):
        for key, inner in cast("dict[object, object]", value).items():
            if not isinstance(key, str):
                raise PayloadRejectedError(place, f"keys must be text, not {type(key).__name__}")
            _inspect_text(key, place)
            _inspect(inner, f"{place}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(cast("list[object] | tuple[object, ...]", value)):
            _inspect(inner, f"{place}[{position}]", depth + 1)
    else:
        _inspect_leaf(value, _shorten(place))


def _inspect_leaf(value: object, place: str) -> None:
    if isinstance(value, str):
        _inspect_text(value, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise PayloadRejectedError(place, f"{value} is not a JSON number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise PayloadRejectedError(place, "an integer beyond 64 bits: send it as text")
    elif value is not None and type(value) not in (str, int, float, bool):
        raise PayloadRejectedError(
            place, f"{type(value).__name__} is not JSON: convert it to text or a number first"
        )


def _inspect_text(text: str, place: str) -> None:
    if "\x00" in text:
        raise PayloadRejectedError(_shorten(place), "text must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PayloadRejectedError(_shorten(place), "text must not contain lone surrogates") from None


def _shorten(place: str) -> str:
    shown = place.encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")
    return shown if len(shown) <= 64 else shown[:61] + "..."
