"""JSON as Postgres holds it. The database can hold values that `enqueue` refuses, because programs also write
rows with plain SQL.

Every view that shows a document reads it through this module. No content makes `read_json` fail: a number that is too
large, or a document that is nested too deeply, becomes shortened text.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

EXACT_DIGITS = 100  # an integer with more digits is shown as text; Python refuses more than 4,300
SHOWN_LEVELS = 100
SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An integer of more than EXACT_DIGITS digits, or a number that is too large for a float. `what`: the kind of
    number. `shown`: the number as text; if it is long, only its first characters and its length."""

    what: str
    shown: str


def read_as_given(encoded: bytes) -> Any:
    """The document with exact integers, and with an Unreadable for each number that is too large. Raises RecursionError
    if the document is nested too deeply for Python's parser."""
    return _DECODER.decode(encoded.decode())


def read_json(encoded: bytes | str) -> Any:
    """The document as it is shown to people, with unreadable numbers as text. If a document is nested too deeply,
    the whole document becomes one text."""
    text = encoded if isinstance(encoded, str) else encoded.decode()
    try:
        document = _SHOWN_DECODER.decode(text)
    except RecursionError:
        return _too_deep(text)
    may_be_deep = text.count("[") + text.count("{") > SHOWN_LEVELS
    return _too_deep(text) if may_be_deep and _is_deeper(document, SHOWN_LEVELS) else document


def _is_deeper(value: Any, levels: int) -> bool:
    inner: Iterable[Any] = ()
    if isinstance(value, dict | list):
        inner = (
            cast("dict[str, Any]", value).values() if isinstance(value, dict) else cast("list[Any]", value)
        )
    return levels < 0 or any(_is_deeper(one, levels - 1) for one in inner)


def _too_deep(text: str) -> str:
    return f"nested too deeply to be shown: {_cut(text)}"


def _integer(digits: str) -> int | Unreadable:
    if (count := len(digits.lstrip("-"))) > EXACT_DIGITS:
        return Unreadable(f"an integer of {count} digits, beyond 64 bits", _cut(digits))
    return int(digits)


def _float(digits: str) -> float | Unreadable:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        return Unreadable("a number that is too large for a float", _cut(digits))
    return number


def _shown_integer(digits: str) -> int | str:
    number = _integer(digits)
    return number.shown if isinstance(number, Unreadable) else number


def _shown_float(digits: str) -> float | str:
    number = _float(digits)
    return number.shown if isinstance(number, Unreadable) else number


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}… ({len(text)} characters)"


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float)  # pyright: ignore[reportArgumentType]
_SHOWN_DECODER = json.JSONDecoder(parse_int=_shown_integer, parse_float=_shown_float)  # pyright: ignore[reportArgumentType]
