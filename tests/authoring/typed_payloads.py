"""An order of goods, as a type of each supported library."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple, TypedDict

import msgspec
import pydantic


class ModelLine(pydantic.BaseModel):
    sku: str
    quantity: int


class ModelOrder(pydantic.BaseModel):
    order_id: int
    due: date
    lines: list[ModelLine]


@dataclass
class DataLine:
    sku: str
    quantity: int


@dataclass
class DataOrder:
    order_id: int
    due: date
    lines: list[DataLine]


class DictLine(TypedDict):
    sku: str
    quantity: int


class DictOrder(TypedDict):
    order_id: int
    due: date
    lines: list[DictLine]


class StructLine(msgspec.Struct):
    sku: str
    quantity: int


class StructOrder(msgspec.Struct):
    order_id: int
    due: date
    lines: list[StructLine]


class Kind(NamedTuple):
    order: Any
    line: Any


KINDS: dict[str, Kind] = {
    "model": Kind(ModelOrder, ModelLine),
    "dataclass": Kind(DataOrder, DataLine),
    "TypedDict": Kind(DictOrder, DictLine),
    "Struct": Kind(StructOrder, StructLine),
}
STORED = {"order_id": 17, "due": "2027-01-31", "lines": [{"sku": "lamp", "quantity": 2}]}
WRONG = {"order_id": 17, "due": "2027-01-31", "lines": [{"sku": "lamp", "quantity": "two"}]}
PATH = "payload.lines[0].quantity"


def an_order(kind: Kind) -> Any:
    return kind.order(order_id=17, due=date(2027, 1, 31), lines=[kind.line(sku="lamp", quantity=2)])


def handler_of(annotation: Any, body: Callable[[Any], Any], name: str = "send_invoice") -> Callable[..., Any]:
    def handler(payload: Any) -> Any:
        return body(payload)

    handler.__annotations__["payload"] = annotation
    handler.__name__ = name
    return handler
