"""If Postgres cannot store the JSON Schema of a flow's type, the declaration of the flow is refused. A default of
infinity or NaN is left out of the schema."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pydantic
import pytest

from tasks import FlowDeclarationError
from tasks.authoring.declaration import declare
from tests.authoring.typed_payloads import handler_of
from tests.support.flow_runs import Worker


class Limit(pydantic.BaseModel):
    default: float = math.inf


class Limits(pydantic.BaseModel):
    limits: list[Limit] = []
    lowest: float = -math.inf
    none: float = math.nan


class StructLimit(msgspec.Struct):
    default: float = math.inf


@dataclass
class DataLimit:
    default: float = math.inf


class Pattern(pydantic.BaseModel):
    text: str = pydantic.Field(pattern="^[^\x00]*$")


class InnerPattern(pydantic.BaseModel):
    patterns: list[Pattern]


class StructPattern(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(pattern="^[^\x00]*$")]


class Surrogate(pydantic.BaseModel):
    text: str = pydantic.Field("", description="\ud83d")


class Named(pydantic.BaseModel):
    text: str = pydantic.Field("", alias="\x00")


class InfiniteExample(pydantic.BaseModel):
    number: float = pydantic.Field(0, examples=[1.0, math.nan])


@pytest.mark.parametrize("annotation", [Limit, Limits, StructLimit, DataLimit])
def test_a_default_of_infinity_is_left_out(worker: Worker, annotation: Any) -> None:
    given: list[Any] = []
    (row,) = worker.process(handler_of(annotation, given.append), [{}])
    assert row.status == "completed"
    assert given == [annotation()] or annotation is Limits
    (flow,) = worker.query(
        "SELECT declared->'payload_schema' AS schema FROM flows WHERE flow_name = 'send_invoice'"
    )
    assert "Infinity" not in str(flow.schema)
    if annotation is Limit:
        assert flow.schema["properties"]["default"] == {"title": "Default", "type": "number"}


@pytest.mark.parametrize(
    ("annotation", "place"),
    [
        (Pattern, "schema.properties.text.pattern: text must not contain NUL"),
        (InnerPattern, "schema.$defs.Pattern.properties.text.pattern: text must not contain NUL"),
        (StructPattern, "properties.text.pattern: text must not contain NUL"),
        (Surrogate, "schema.properties.text.description: text must not contain lone surrogates"),
        (Named, "schema.properties: text must not contain NUL"),
        (InfiniteExample, "schema.properties.number.examples[1]: nan is not a JSON number"),
    ],
)
def test_anything_else_is_refused_with_its_place(annotation: Any, place: str) -> None:
    with pytest.raises(FlowDeclarationError) as error:
        declare(handler_of(annotation, print), {})
    assert str(error.value).startswith(
        f"flow send_invoice: the payload is annotated {annotation.__name__}, whose"
    )
    assert place in str(error.value)
