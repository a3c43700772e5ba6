"""Types that msgspec decodes: its Structs, dataclasses, TypedDicts, and types built from them."""

import re
from typing import Any

import msgspec

from queue_store.errors import PayloadRejectedError

from .codec import rejected

_PLACE = re.compile(r"(.*) - at `\$(.*)`", re.DOTALL)
_VALUE = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)  # names the value, which may be secret
_MISSING = re.compile(r"missing required field `(.+?)`")


class MsgspecCodec:
    """Raises ValueError for a type that msgspec cannot decode from JSON."""

    def __init__(self, kind: Any) -> None:
        try:
            self._decode = msgspec.json.Decoder(kind).decode
            self._schema = msgspec.json.schema(kind)  # refuses classes that msgspec does not know
        except (TypeError, NameError) as error:
            raise ValueError(str(error).partition("\n")[0]) from None

    def decode(self, encoded: bytes) -> Any:
        try:
            return self._decode(encoded)
        except msgspec.DecodeError as error:
            raise rejected([_placed(str(error))]) from None
        except RecursionError:
            raise PayloadRejectedError("payload", "nested too deeply for its type") from None

    def plain(self, value: Any) -> Any:
        try:
            return msgspec.to_builtins(value, str_keys=True)
        except (TypeError, ValueError, RecursionError) as error:
            raise PayloadRejectedError("payload", str(error)) from None

    plain_untyped = plain  # msgspec does not look at the type when it converts an object

    def check_arrival(self, sent: Any, arrives: Any) -> None:
        """Checks nothing, because msgspec writes and reads a field under the same name."""

    def schema(self) -> dict[str, Any]:
        return self._schema


def _placed(message: str) -> tuple[str, str]:
    """Splits msgspec's message into the path of the field and the problem. In msgspec's message, the path comes after
    the problem. The problem is returned without the value of the payload. If a field is missing, msgspec gives the path
    of the enclosing object, and this function adds the field."""
    found = _PLACE.fullmatch(message)
    problem, path = (found[1], f"payload{found[2]}") if found else (message, "payload")
    if missing := _MISSING.search(problem):
        return f"{path}.{missing[1]}", "a required field is missing"
    return path, _VALUE.sub(r"\1", problem)
