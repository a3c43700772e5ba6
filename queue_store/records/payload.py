"""The rule for the JSON that may be stored as a payload, a result or a progress report. The rule does not depend on who
writes the JSON, or how.

An accepted value arrives as it was given, except for the changes that docs/flows.md lists under "Values". Any other
value is refused, and the error names the place of the value, such as `payload.items[3].price`. SQL can store a
value that this rule refuses, but no handler receives it.
"""

import math
from collections.abc import Callable
from decimal import Decimal
from enum import Enum, EnumMeta
from typing import Any, cast
from uuid import UUID

import orjson

from queue_store.database.any_json import Unreadable, read_as_given
from queue_store.errors import PayloadRejectedError
from queue_store.records.refusable_json import MAXIMUM_DEPTH, has_long_number, may_be_deep

RESULT_LIMIT_BYTES = 65_536
SMALLEST_INTEGER = -(2**63)
LARGEST_INTEGER = 2**64 - 1
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
_EXPONENT_BEGINS = 1e16  # from here on orjson writes an exponent, which jsonb does not keep
_LEAVES = frozenset((str, int, bool, type(None), UUID))
_CONTAINERS = frozenset((dict, list, tuple))
_NUMBERS = frozenset((int, float))
_MANY = 16  # for lists of this length or more, one check of all values is quicker than a check of each value
_type_of: Callable[[object], type[Any]] = type


def encode_json(value: object, limit_bytes: int, field: str = "payload") -> bytes:
    """The value as UTF-8 JSON. Raises a PayloadRejectedError that says which part of the value is refused."""
    try:
        encoded = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, RecursionError):
        encoded = _encode_carefully(value, field)
    else:
        # orjson accepts a NUL, deep nesting and any text of a Fragment. It writes NaN as null, and large floats with an
        # exponent.
        if not _is_ordinary(value) or b"\\u0000" in encoded:
            encoded = _encode_carefully(value, field)
    if len(encoded) > limit_bytes:
        raise PayloadRejectedError(
            field,
            f"{len(encoded)} bytes of JSON, the limit is {limit_bytes}: store the data elsewhere and refer to it",
        )
    return encoded


def decode_json(encoded: bytes, field: str = "payload") -> Any:
    """The value that a handler receives. Raises PayloadRejectedError for a value that would not arrive unchanged: a
    number that fits neither an integer of 64 bits nor a float, or a value that is nested too deeply. The error names
    the place of the value."""
    if not has_long_number(encoded):
        try:
            value = orjson.loads(encoded)
        except orjson.JSONDecodeError as error:
            if not may_be_deep(encoded):  # orjson may have refused the depth
                raise PayloadRejectedError(field, f"cannot be decoded: {error}") from None
        else:
            if not may_be_deep(encoded) or _is_ordinary(value):
                return value
    try:
        given = read_as_given(encoded)
    except RecursionError:
        raise PayloadRejectedError(field, _TOO_DEEP) from None
    except ValueError as error:
        raise PayloadRejectedError(field, f"cannot be decoded: {error}") from None
    return _checked(given, field, 0)


def _is_ordinary(value: Any) -> bool:
    """Whether the value contains only types and floats that orjson writes as the rule says, and is not nested too
    deeply."""
    kind = _type_of(value)
    if kind in _CONTAINERS:
        return _holds_ordinary(value, kind, MAXIMUM_DEPTH - 1)
    return kind in _LEAVES or _is_ordinary_member(value, kind)


def _holds_ordinary(container: Any, kind: type[Any], levels: int) -> bool:
    if kind is list and len(container) >= _MANY and _are_ordinary_numbers(container):
        return True
    for inner in container.values() if kind is dict else container:
        kind = _type_of(inner)
        if kind in _LEAVES:
            continue
        if kind is float:
            if not -_EXPONENT_BEGINS < inner < _EXPONENT_BEGINS:
                return False
        elif levels == 0 or not (
            _holds_ordinary(inner, kind, levels - 1)
            if kind in _CONTAINERS
            else _is_ordinary_member(inner, kind)
        ):
            return False
    return True


def _are_ordinary_numbers(values: list[Any]) -> bool:
    """Whether the values are integers only, or numbers that orjson writes without an exponent. `sum` and `hypot`
    are quick, and raise a TypeError for a Fragment or a text."""
    if _type_of(values[0]) not in _NUMBERS:
        return False
    try:
        return _type_of(sum(values)) is int or math.hypot(*values) < _EXPONENT_BEGINS
    except TypeError:
        return False


def _is_ordinary_member(value: Any, kind: type[Any]) -> bool:
    """Whether the value is a member of an Enum, and orjson surely writes the member's `value`. A member can itself be a
    text or a number that differs from its value. If the Enum has a metaclass of its own, orjson may write this text or
    number, and not the value."""
    if not issubclass(kind, Enum):
        return False
    held = value.value
    if type(kind) is not EnumMeta and held != value:
        return False
    return _type_of(held) in _LEAVES or (
        _type_of(held) is float and -_EXPONENT_BEGINS < held < _EXPONENT_BEGINS
    )


def _encode_carefully(value: object, field: str) -> bytes:
    """Checks a value against all parts of the rule. The fast path in `encode_json` accepts only values that this
    function accepts, and writes the same JSON for them."""
    return orjson.dumps(_checked(value, field, 0, is_written=True), option=_OPTIONS)


_TOO_DEEP = f"nested deeper than {MAXIMUM_DEPTH} levels, or refers to itself"


def _checked(value: object, place: str, depth: int, *, is_written: bool = False) -> Any:
    """The value, made of plain types only. `is_written`: True if the value is to be encoded, False if a handler will
    receive it."""
    if depth > MAXIMUM_DEPTH:
        raise PayloadRejectedError(_shorten(place), _TOO_DEEP)
    if isinstance(value, Enum):
        return _checked(value.value, place, depth + 1, is_written=is_written)
    if isinstance(value, orjson.Fragment):
        return _checked(_read_fragment(value, _shorten(place)), place, depth + 1, is_written=is_written)
    if isinstance(value, dict):
        return _checked_object(cast("dict[object, object]", value), place, depth, is_written=is_written)
    if isinstance(value, list) or type(value) is tuple:
        items = cast("list[object] | tuple[object, ...]", value)
        return [
            _checked(inner, f"{place}[{position}]", depth + 1, is_written=is_written)
            for position, inner in enumerate(items)
        ]
    return _checked_leaf(value, place, is_written=is_written)


def _read_fragment(fragment: orjson.Fragment, place: str) -> Any:
    try:
        encoded = orjson.dumps(fragment)
    except TypeError as error:
        raise PayloadRejectedError(place, f"Fragment cannot be written: {error}") from None
    return decode_json(encoded, place)


def _checked_object(
    value: dict[object, object], place: str, depth: int, *, is_written: bool
) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, inner in value.items():
        if not isinstance(key, str):
            raise PayloadRejectedError(_shorten(place), f"keys must be text, not {type(key).__name__}")
        name = plain_text(key)
        check_text(name, place)
        plain[name] = _checked(inner, f"{place}.{name}", depth + 1, is_written=is_written)
    if len(plain) < len(value):
        raise PayloadRejectedError(_shorten(place), "a key appears twice in one object")
    return plain


def _checked_leaf(value: object, place: str, *, is_written: bool) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        check_text(value, place)
        return value
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, int):
        if not SMALLEST_INTEGER <= value <= LARGEST_INTEGER:
            raise PayloadRejectedError(_shorten(place), "an integer beyond 64 bits: send it as text")
        return value
    if isinstance(value, float):
        return _checked_float(value, place, is_written=is_written)
    if isinstance(value, Unreadable):
        raise PayloadRejectedError(_shorten(place), f"{value.what}: send it as text")
    raise PayloadRejectedError(
        _shorten(place), f"{type(value).__name__} is not JSON: convert it to text or a number first"
    )


def _checked_float(value: float, place: str, *, is_written: bool) -> Any:
    if not math.isfinite(value):
        raise PayloadRejectedError(_shorten(place), f"{value} is not a JSON number")
    plain = float(value)
    if is_written and abs(plain) >= _EXPONENT_BEGINS:
        # jsonb would write out the exponent as zeros, so a reader would get an integer that is not exactly equal to the
        # float.
        return orjson.Fragment(f"{Decimal(repr(plain)):f}.0")
    return plain


def plain_text(text: str) -> str:
    """The text as a plain str, even if its class, such as a StrEnum, has its own `__str__` or `__format__`."""
    return text if type(text) is str else str.__str__(text)


def check_text(text: str, place: str) -> None:
    """Raises PayloadRejectedError for a text that Postgres cannot store."""
    if "\x00" in text:
        raise PayloadRejectedError(_shorten(place), "text must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PayloadRejectedError(_shorten(place), "text must not contain lone surrogates") from None


def _shorten(place: str) -> str:
    shown = place.encode("ascii", "backslashreplace").decode().replace("\x00", "\\x00")
    return shown if len(shown) <= 64 else shown[:61] + "..."
