"""The same rule decides whether a value is accepted, whatever else the payload contains. An accepted value can be
decoded again. For a refused value, the error names the value's place."""

import enum
import math
import uuid
from collections import OrderedDict, defaultdict, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import orjson
import pydantic
import pytest

from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import decode_json, encode_json
from tasks.authoring.payloads.annotation import codec_of
from tasks.authoring.payloads.codec import PlainCodec
from tasks.authoring.payloads.payload_type import PayloadType

LIMIT = 65_536


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    LARGE = "large"


class Limit(enum.Enum):
    HUGE = 1e20
    NONE = math.nan
    WIDE = 2**64


class Swapped(enum.StrEnum, metaclass=type("OwnMeta", (enum.EnumMeta,), {})):
    """The member is the text "a", but its value is "value of a". Because of the metaclass, orjson writes "a"."""

    A = "a"

    def __init__(self, text: str) -> None:
        self._value_ = f"value of {text}"


class Text(str):
    __slots__ = ()


@dataclass
class Order:
    number: int


class DeepModel(pydantic.BaseModel):
    other: Any


class DeepStruct(msgspec.Struct):
    other: Any


Pair = namedtuple("Pair", "left right")
ACCEPTED: dict[str, tuple[Any, Any]] = {
    "None": (None, None),
    "the text null": ("null", "null"),
    "64 bits": (2**64 - 1, 2**64 - 1),
    "minus 64 bits": (-(2**63), -(2**63)),
    "a large float": (2.0**63, 2.0**63),
    "the largest float": (1.7976931348623157e308, 1.7976931348623157e308),
    "the smallest float": (5e-324, 5e-324),
    "UUID": (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    "Enum": (Colour.RED, "red"),
    "StrEnum": (Size.LARGE, "large"),
    "Enum of a large float": (Limit.HUGE, 1e20),
    "Enum of a class of its own": (Swapped.A, "value of a"),
    "many integers": ([2**64 - 1, *range(100)], [2**64 - 1, *range(100)]),
    "many floats": ([1.5, *range(100), 1e20], [1.5, *range(100), 1e20]),
    "subclass of str": (Text("x"), "x"),
    "subclass of dict": (defaultdict(int, a=1), {"a": 1}),
    "OrderedDict": (OrderedDict(a=1), {"a": 1}),
    "tuple": ((1, 2), [1, 2]),
}
REFUSED: dict[str, Any] = {
    "65 bits": 2**64,
    "minus 65 bits": -(2**63) - 1,
    "NaN": float("nan"),
    "Enum of NaN": Limit.NONE,
    "Enum of 65 bits": Limit.WIDE,
    "infinity": float("inf"),
    "NUL": "a\x00",
    "surrogate": "\ud800",
    "Decimal": Decimal(1),
    "datetime": datetime(2030, 1, 1, tzinfo=UTC),
    "dataclass": Order(1),
    "namedtuple": Pair(1, 2),
    "bytes": b"x",
    "set": {1},
}
AROUND: dict[str, dict[str, Any]] = {
    "alone": {},
    "with a None": {"note": None},
    "with the text null": {"note": "nullable"},
    "with many lists": {"note": [[] for _ in range(101)]},
}


@pytest.mark.parametrize("around", AROUND.values(), ids=list(AROUND))
@pytest.mark.parametrize("case", ACCEPTED.values(), ids=list(ACCEPTED))
def test_what_is_accepted_arrives_whatever_stands_beside_it(case: tuple[Any, Any], around: Any) -> None:
    given, arrives = case
    found = decode_json(encode_json({"items": [{"v": given}], **around}, LIMIT))["items"][0]["v"]
    assert found == arrives
    assert type(found) is type(arrives)


@pytest.mark.parametrize("around", AROUND.values(), ids=list(AROUND))
@pytest.mark.parametrize("value", REFUSED.values(), ids=list(REFUSED))
def test_what_is_refused_is_refused_with_its_place(value: Any, around: Any) -> None:
    with pytest.raises(PayloadRejectedError) as caught:
        encode_json({"items": [0, {"v": value}], **around}, LIMIT)
    assert caught.value.field == "payload.items[1].v"


@pytest.mark.parametrize("numbers", [range(100), [0.5] * 100, [1e15] * 100])
@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, orjson.Fragment(b"x"), "\ud800"],
    ids=["nan", "inf", "fragment", "surrogate"],
)
def test_a_value_among_many_numbers_is_refused_with_its_place(numbers: Any, value: Any) -> None:
    with pytest.raises(PayloadRejectedError) as caught:
        encode_json([*numbers, value], LIMIT)
    assert caught.value.field == "payload[100]"


@pytest.mark.parametrize("digits", [b"18446744073709551616", b"-9223372036854775809", b"1" + b"0" * 5_000])
def test_an_integer_that_came_by_sql_is_never_rounded(digits: bytes) -> None:
    with pytest.raises(PayloadRejectedError, match="beyond 64 bits") as caught:
        decode_json(b'{"items": [' + digits + b"]}")
    assert caught.value.field == "payload.items[0]"


def test_a_document_that_is_nested_too_deeply_is_refused_when_it_came_by_sql() -> None:
    for levels in (200, 5_000):
        with pytest.raises(PayloadRejectedError, match="nested deeper"):
            decode_json(b"[" * levels + b"]" * levels)


@pytest.mark.parametrize("text", ["", "]", "[]", "}]", "][", '"', '"]"', "\\", '\\"]', '],"",[', "\n]"])
@pytest.mark.parametrize("kind", [None, DeepModel, DeepStruct])
def test_no_text_hides_the_depth(kind: Any, text: str) -> None:
    codec = codec_of(kind) if kind else PlainCodec()
    decode = PayloadType("send_invoice", codec, 1, {}).decode
    for levels, is_refused in ((98, False), (150, True)):
        value: Any = 1
        for _ in range(levels):
            value = [text, value, {"": text}, []]
        encoded = orjson.dumps({"other": value})
        if is_refused:
            with pytest.raises(PayloadRejectedError, match="nested deeper"):
                decode(encoded)
        else:
            assert getattr(decode(encoded), "other", value) == value
