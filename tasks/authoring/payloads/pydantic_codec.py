"""Types that Pydantic decodes: its models, its dataclasses, and types built from them."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic_core import PydanticSerializationError

from queue_store.errors import PayloadRejectedError

from .codec import path_of, rejected

MASKED = "**********"  # the text that Pydantic writes instead of a SecretStr


class PydanticCodec:
    """Raises ValueError for a type that Pydantic cannot decode from JSON."""

    def __init__(self, kind: Any) -> None:
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(kind)
            self._schema = self._adapter.json_schema()
            self._has_secrets = '"writeOnly": true' in json.dumps(self._schema)
            self._validate = self._adapter.validator.validate_json
            self._serialize = self._adapter.serializer.to_python
        except (PydanticUserError, PydanticInvalidForJsonSchema, NameError) as error:
            raise ValueError(str(error).partition("\n")[0]) from None

    def decode(self, encoded: bytes) -> Any:
        try:
            return self._validate(encoded)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            raise rejected([(path_of(problem["loc"]), problem["msg"]) for problem in found]) from None
        except RecursionError:
            raise PayloadRejectedError("payload", "nested too deeply for its type") from None

    def plain(self, value: Any) -> Any:
        """Dumps by alias and without computed fields, because `decode` accepts this form. Warnings are off, because
        `decode` refuses values of the wrong type anyway."""
        try:
            plain = self._serialize(value, mode="json", by_alias=True, round_trip=True, warnings=False)
        except PydanticSerializationError as error:
            raise PayloadRejectedError("payload", str(error)) from None
        if self._has_secrets and MASKED in json.dumps(plain, default=str):
            raise PayloadRejectedError(
                "payload",
                "a secret would be stored as asterisks: give its field a field_serializer, or send a reference",
            )
        return plain

    def schema(self) -> dict[str, Any]:
        return self._schema
