"""The payloads of one flow: how they are checked and stored, and what a handler receives.

A payload carries its version as `"$version"`. So any producer can set the version, in Python or in SQL. If a payload
is replaced, only the new payload's version counts. Version 1 need not be written: a payload without `"$version"` has
version 1.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from queue_store.enqueueing.payload_encoders import encode_payload
from queue_store.errors import PayloadRejectedError
from queue_store.records.payload import decode_json, encode_json
from queue_store.records.record import Record
from queue_store.records.refusable_json import may_be_refused

from ...exceptions import SnoozeRecord
from .codec import Codec, PlainCodec
from .storable_schema import storable_schema

VERSION_KEY = "$version"
AHEAD_SECONDS = 30.0  # the delay of a record whose payload is newer than this code
WARNING_SECONDS = 60.0
_MARK = b'"$version"'
_UNBOUNDED = 2**40

Upgrade = Callable[[Any], Any]

logger = logging.getLogger(__name__)


class PayloadType:
    """`upgrades[n]` makes a payload of version n + 1 from one of version n."""

    def __init__(self, flow_name: str, codec: Codec, version: int, upgrades: Mapping[int, Upgrade]) -> None:
        self.flow_name = flow_name
        self.version = version
        self._codec = codec
        self._upgrades = upgrades
        self._warned_at = -WARNING_SECONDS
        self.record_class = _record_class(self.decode)

    def encode(self, payload: object) -> bytes:
        """The payload as it is stored. Raises PayloadRejectedError for a payload that a worker could not decode."""
        plain = self._plain(payload)
        if self.version > 1 and VERSION_KEY not in _as_object(plain):
            plain = {VERSION_KEY: self.version, **plain}
        encoded = encode_payload(plain)
        self._codec.check_arrival(payload, self._arriving(encoded))
        return encoded

    def _arriving(self, encoded: bytes) -> Any:
        """The object that the handler will receive. The values need no further check, because `encode_payload` has
        checked them."""
        if self.version == 1 and _MARK not in encoded:
            return self._codec.decode(encoded)
        try:
            return self.decode(encoded)
        except SnoozeRecord:
            problem = f"is newer than this process' code, which knows version {self.version}"
            raise PayloadRejectedError(f"payload.{VERSION_KEY}", problem) from None

    def _plain(self, payload: object) -> Any:
        """The payload as it is stored. If a dictionary names a version, it is stored with this version. If this version
        is not the type's own, the dictionary keeps all its keys, because its upgrade may need them."""
        if not isinstance(payload, dict) or VERSION_KEY not in payload:
            return self._codec.plain(payload)
        named = cast("dict[str, Any]", payload)
        version = named[VERSION_KEY]
        if version != self.version:
            return self._codec.plain_untyped(named)
        plain = self._codec.plain({key: value for key, value in named.items() if key != VERSION_KEY})
        return {VERSION_KEY: version, **_as_object(plain)}

    def decode(self, encoded: bytes) -> Any:
        """The payload as the handler receives it. Raises PayloadRejectedError if the payload cannot be upgraded or
        decoded. Raises SnoozeRecord if the payload's version is newer than this code."""
        is_plain = isinstance(self._codec, PlainCodec)  # then `decode_json` checks the payload in any case
        if self.version == 1 and _MARK not in encoded and (is_plain or not may_be_refused(encoded)):
            return self._codec.decode(encoded)
        payload = decode_json(encoded)
        has_version = isinstance(payload, dict) and VERSION_KEY in payload
        if self.version == 1 and not has_version:
            return self._codec.decode(encoded)
        version = _checked_version(payload.pop(VERSION_KEY)) if has_version else 1
        if version > self.version:
            self._wait_for_newer_code(version)
        for step in range(version, self.version):
            payload = self._upgraded(payload, step)
        return payload if is_plain else self._codec.decode(encode_json(payload, _UNBOUNDED))

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a record's payload. The schema includes the version if the version is above 1."""
        schema = storable_schema(rooted(self._codec.schema()))
        if self.version == 1:
            return schema
        properties = {VERSION_KEY: {"const": self.version}} | schema.get("properties", {})
        required = [VERSION_KEY, *schema.get("required", [])]
        return schema | {"properties": properties, "required": required}

    def _upgraded(self, payload: Any, version: int) -> Any:
        upgrade = self._upgrades[version]
        try:
            upgraded = upgrade(payload)
        except Exception as error:
            problem = f"upgrade[{version}] cannot upgrade it: {type(error).__name__}: {error}"
            raise PayloadRejectedError("payload", problem) from error
        if upgraded is None:
            raise PayloadRejectedError("payload", f"upgrade[{version}] returned None, not the payload")
        return upgraded

    def _wait_for_newer_code(self, version: int) -> None:
        now = time.monotonic()
        if now - self._warned_at >= WARNING_SECONDS:
            self._warned_at = now
            logger.warning(
                "flow %s: a record has payload version %d, but this worker knows version %d: the record waits for a "
                "worker with newer code",
                self.flow_name, version, self.version,
            )  # fmt: skip
        raise SnoozeRecord(AHEAD_SECONDS)


def _record_class(decode: Callable[[bytes], Any]) -> type[Record]:
    """A subclass of Record whose `payload` is the object that the handler receives."""

    class TypedRecord(Record):
        __slots__ = ()

        @property
        def payload(self) -> Any:
            return decode(self.encoded_payload)

    return TypedRecord


def rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the JSON Schema with the properties at its root. msgspec may have written only a reference there."""
    name = schema.get("$ref", "").removeprefix("#/$defs/")
    return {**schema["$defs"][name], **{k: v for k, v in schema.items() if k != "$ref"}} if name else schema


def _as_object(plain: Any) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise PayloadRejectedError("payload", "must be an object: its flow has versions")
    return plain


def _checked_version(version: object) -> int:
    if type(version) is not int or version < 1:
        raise PayloadRejectedError(f"payload.{VERSION_KEY}", "must be a whole number, 1 or more")
    return version
