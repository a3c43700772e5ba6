"""Types that Pydantic decodes: its models, its dataclasses, and types built from them."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import PydanticSerializationError

from queue_store.errors import PayloadRejectedError

from .codec import path_of, rejected
from .pydantic_traits import (
    first_difference,
    has_secrets,
    is_of_models,
    may_lose_values,
    secrets_in,
    without_shadows,
)

MASKED = "**********"  # the text that Pydantic writes instead of a SecretStr
_WRITE_ONLY = '"writeOnly": true'  # how a JSON Schema marks a SecretStr
_MASKS = "a secret would be stored as asterisks: give its field a field_serializer, or send a reference"
_LOST = (
    "the handler would get another value, because Pydantic does not read this field as it writes it: give the field "
    "one `alias` for both, or enqueue a dictionary"
)
_ANY = TypeAdapter(Any).serializer.to_python


class PydanticCodec:
    """Raises ValueError for a type that Pydantic cannot decode from JSON."""

    def __init__(self, kind: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
            self._schema = self._adapter.json_schema()
            marked = _WRITE_ONLY in json.dumps(self._schema, default=str)
            self._has_secrets = marked or has_secrets(self._adapter.core_schema)
            self._may_lose_values = may_lose_values(self._adapter.core_schema)
            self._validate = self._adapter.validator.validate_json
            self._serialize = self._adapter.serializer.to_python
        except (PydanticUserError, PydanticInvalidForJsonSchema, NameError) as error:
            raise ValueError(str(error).partition("\n")[0]) from None

    def decode(self, encoded: bytes) -> Any:
        try:
            return self._validate(encoded)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            raise rejected([(path_of(problem["loc"]), _text(problem)) for problem in found]) from None
        except RecursionError:
            raise PayloadRejectedError("payload", "nested too deeply for its type") from None

    def plain(self, value: Any) -> Any:
        """Dumps by alias and without computed fields, because `decode` accepts this form. Warnings are off, because
        `decode` refuses values of the wrong type anyway."""
        plain = _dumped(self._serialize, value)
        if self._has_secrets and MASKED in json.dumps(plain, default=str):
            raise PayloadRejectedError("payload", _MASKS)
        return plain

    def plain_untyped(self, value: Any) -> Any:
        return _dumped(_ANY, value)

    def check_arrival(self, sent: Any, arrives: Any) -> None:
        """Compares the JSON of both objects, but only if the type's declaration shows that values may get lost. A
        dictionary that arrives as an object is not compared, because its keys are the names that the type reads."""
        if self._has_secrets:
            secrets = self._secrets(sent)
            if secrets and secrets != self._secrets(arrives):
                raise PayloadRejectedError("payload", _MASKS)
        if isinstance(sent, Mapping) and not isinstance(arrives, Mapping):
            return
        if self._may_lose_values and is_of_models(sent) and arrives != sent:
            written, read = self.plain(sent), self.plain(without_shadows(arrives))
            if written != read:
                raise PayloadRejectedError(path_of(first_difference(written, read)), _LOST)

    def _secrets(self, value: Any) -> list[str]:
        try:
            dumped = _dumped(self._serialize, value, mode="python")
        except TypeError:
            # If a set contains models, the dump fails: it turns models into dictionaries, which a set cannot hold. The
            # secrets of such a value are not compared, but `plain` has already looked for MASKED.
            return []
        return sorted(map(repr, secrets_in(dumped)))

    def schema(self) -> dict[str, Any]:
        return self._schema


def _text(problem: Any) -> str:
    """The text of a problem. If the tag of a union is wrong, Pydantic's own text contains the wrong tag, which may be
    secret."""
    if problem["type"] != "union_tag_invalid":
        return str(problem["msg"])
    details = problem["ctx"]
    return f"The tag {details['discriminator']} is not one of the expected tags: {details['expected_tags']}"


def _dumped(serialize: Callable[..., Any], value: Any, mode: Literal["json", "python"] = "json") -> Any:
    try:
        return serialize(value, mode=mode, by_alias=True, round_trip=True, warnings=False)
    except PydanticSerializationError as error:
        raise PayloadRejectedError("payload", str(error)) from None
