"""The text of an error contains no values of the payload, because the text is logged and stored. Logins with the role
monitor may read the stored text, but not the payload."""

import json
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pydantic
import pytest

from queue_store.errors import PayloadRejectedError
from tasks.authoring.payloads.msgspec_codec import MsgspecCodec
from tasks.authoring.payloads.pydantic_codec import PydanticCodec

SECRET = "CANARY-4711"


class Colour(StrEnum):
    RED = "red"


class Cat(msgspec.Struct, tag="cat"):
    name: str


class Dog(msgspec.Struct, tag="dog"):
    name: str


class Card(pydantic.BaseModel):
    kind: Literal["card"]


class Cash(pydantic.BaseModel):
    kind: Literal["cash"]


Payment = Annotated[Card | Cash, pydantic.Field(discriminator="kind")]
KINDS: dict[str, tuple[Any, Any]] = {
    "an enum of msgspec": (MsgspecCodec(dict[str, Colour]), {"colour": SECRET}),
    "a literal of msgspec": (MsgspecCodec(dict[str, Literal["a", "b"]]), {"letter": SECRET}),
    "lines of msgspec": (MsgspecCodec(dict[str, Literal["a", "b"]]), {"letter": f"line\n{SECRET}"}),
    "a tag of msgspec": (MsgspecCodec(Cat | Dog), {"type": SECRET, "name": "Tom"}),
    "an enum of Pydantic": (PydanticCodec(dict[str, Colour]), {"colour": SECRET}),
    "a literal of Pydantic": (PydanticCodec(Card), {"kind": SECRET}),
    "a tag of Pydantic": (PydanticCodec(Payment), {"kind": SECRET}),
    "a number of Pydantic": (PydanticCodec(dict[str, int]), {"count": SECRET}),
    "a moment of Pydantic": (PydanticCodec(dict[str, pydantic.AwareDatetime]), {"at": SECRET}),
}


@pytest.mark.parametrize(("codec", "payload"), KINDS.values(), ids=list(KINDS))
def test_the_text_names_the_place_without_the_value(codec: Any, payload: Any) -> None:
    with pytest.raises(PayloadRejectedError) as refused:
        codec.decode(json.dumps(payload).encode())
    assert SECRET not in str(refused.value)
    assert str(refused.value).startswith("payload")
