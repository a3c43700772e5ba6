"""A payload may have a JSON type, or a type that msgspec or pydantic can decode from JSON. All other types, and types
with a field `$version`, are refused when the flow is declared."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import pytest

from tasks import FlowContext, FlowDeclarationError
from tasks.authoring.declaration import declare
from tests.authoring.typed_payloads import DataOrder, ModelOrder, StructOrder, handler_of

ROOT = Path(__file__).parents[2]


class Unknown:
    pass


class HoldsUnknown(pydantic.BaseModel, arbitrary_types_allowed=True):
    inner: Unknown


class Versioned(pydantic.BaseModel):
    version: int = pydantic.Field(alias="$version")


class Bill(pydantic.BaseModel):
    kind: Literal["bill"]


class Refund(pydantic.BaseModel):
    kind: Literal["refund"]


def kind_of(annotation: Any, **options: Any) -> Any:
    return declare(handler_of(annotation, print), options).payload_type


@pytest.mark.parametrize(
    "annotation",
    [Any, object, dict, dict[str, Any], dict[str, int], list, list[dict[str, Any]], str, int, str | None,
     Annotated[dict[str, Any], "checked elsewhere"], Literal["a"]],
)  # fmt: skip
def test_json_stays_as_it_is(annotation: Any) -> None:
    assert kind_of(annotation) is None


@pytest.mark.parametrize(
    "annotation",
    [ModelOrder, DataOrder, StructOrder, ModelOrder | None, list[DataOrder], dict[str, StructOrder],
     Annotated[Bill | Refund, pydantic.Field(discriminator="kind")]],
)  # fmt: skip
def test_what_is_built_of_types_has_a_type(annotation: Any) -> None:
    assert kind_of(annotation).schema()


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (Unknown, "the payload is annotated Unknown, which msgspec cannot decode from JSON"),
        (list[Unknown], "cannot decode"),
        (Callable[[], int], "cannot decode"),
        (HoldsUnknown, "which pydantic cannot decode"),
        (Versioned, "holds the version of a payload"),
    ],
)
def test_what_nobody_can_decode_is_refused(annotation: Any, problem: str) -> None:
    with pytest.raises(FlowDeclarationError) as error:
        kind_of(annotation)
    assert problem in str(error.value)


def test_the_type_of_a_batch_is_that_of_its_contexts() -> None:
    def typed(records: list[FlowContext[ModelOrder]]) -> None: ...
    def untyped(records: list[FlowContext]) -> None: ...
    def mistaken(records: list[ModelOrder]) -> None: ...

    typed_payload = declare(typed, {"batch": True}).payload_type
    assert typed_payload is not None
    assert "order_id" in typed_payload.schema()["properties"]
    assert declare(untyped, {"batch": True}).payload_type is None
    with pytest.raises(FlowDeclarationError, match=r"annotate its records as list\[FlowContext\["):
        declare(mistaken, {"batch": True})


def test_the_payload_of_a_schedule_must_fit() -> None:
    from celery.schedules import crontab

    with pytest.raises(FlowDeclarationError, match=r"schedule_payload\.kind"):
        declare(handler_of(Bill, print), {"schedule": crontab()})
    declare(handler_of(Bill, print), {"schedule": crontab(), "schedule_payload": {"kind": "bill"}})


WITHOUT_LIBRARIES = """
import sys
from dataclasses import dataclass
sys.modules["msgspec"] = sys.modules["pydantic"] = None
from processing_queue import FlowDeclarationError, flow
@flow
def untyped(payload: dict) -> None: ...
@dataclass
class Order:
    order_id: int
try:
    @flow
    def typed(payload: Order) -> None: ...
except FlowDeclarationError as error:
    print(error)
"""


def test_neither_library_is_needed_and_a_missing_one_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARIES], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert "pip install 'processing-queue[msgspec]'" in done.stdout, done.stderr
    assert "annotated Order" in done.stdout
