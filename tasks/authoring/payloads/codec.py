"""The interface to the libraries that decode payloads, such as msgspec and Pydantic."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import decode_json

PATH_LENGTH = 200
SHOWN_PROBLEMS = 3

_IS_NAME = re.compile(r"\w+").fullmatch


class Codec(Protocol):
    """Converts objects of one type to JSON and back."""

    def decode(self, encoded: bytes) -> Any:
        """The decoded object. Raises PayloadRejectedError with the path of the wrong field."""
        ...

    def plain(self, value: Any) -> Any:
        """The object as dictionaries, lists, strings, numbers, True, False and None. Raises PayloadRejectedError."""
        ...

    def plain_untyped(self, value: Any) -> Any:
        """Like `plain`, but for a payload that need not fit the type."""
        ...

    def check_arrival(self, sent: Any, arrives: Any) -> None:
        """Raises PayloadRejectedError if `arrives`, the decoded object, has lost values of `sent`."""
        ...

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the payloads that `decode` accepts."""
        ...


class PlainCodec:
    """For payloads without a type: any JSON is accepted, and handlers receive it as plain Python values."""

    def decode(self, encoded: bytes) -> Any:
        return decode_json(encoded)

    def plain(self, value: Any) -> Any:
        return value

    plain_untyped = plain

    def check_arrival(self, sent: Any, arrives: Any) -> None:
        """Checks nothing, because plain values arrive unchanged."""

    def schema(self) -> dict[str, Any]:
        return {}


def path_of(places: Sequence[str | int]) -> str:
    """The path of a field, such as `payload.lines[3].price`."""
    path = "payload"
    for place in places:
        if isinstance(place, int):
            path += f"[{place}]"
        else:
            path += f".{place}" if _IS_NAME(place) else f"[{place!a}]"
    return path if len(path) <= PATH_LENGTH else path[: PATH_LENGTH - 3] + "..."


def rejected(problems: Sequence[tuple[str, str]]) -> PayloadRejectedError:
    """Returns one error for all wrong fields. `problems`: pairs of path and problem, at least one."""
    (field, problem), *others = problems
    shown = "".join(f"; {path}: {other}" for path, other in others[: SHOWN_PROBLEMS - 1])
    left_out = len(others) - (SHOWN_PROBLEMS - 1)
    return PayloadRejectedError(field, problem + shown + (f"; and {left_out} more" if left_out > 0 else ""))
