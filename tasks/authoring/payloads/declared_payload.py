"""Finds the type of a flow's payloads in the declaration of the flow. Each problem raises a ValueError at import."""

from collections.abc import Mapping
from typing import Any

from queue_store.errors import PayloadRejectedError

from ..called_functions import check_callable_with, is_async
from .annotation import codec_of, is_plain, named, payload_annotation
from .codec import Codec, PlainCodec
from .payload_type import VERSION_KEY, PayloadType, rooted

_NO_OBJECTS = ("array", "string", "integer", "number", "boolean", "null")


def payload_type(flow_name: str, annotation: Any, options: Mapping[str, Any]) -> PayloadType | None:
    """Returns None if the handler takes plain JSON without a version. Raises ValueError."""
    annotation = payload_annotation(annotation, is_batch=bool(options.get("batch")))
    version = options.get("version")
    if is_plain(annotation):
        if version is None:
            return None
        codec: Codec = PlainCodec()
    else:
        codec = codec_of(annotation)
    _check_schema(codec.schema(), version or 1)
    declared = PayloadType(flow_name, codec, version or 1, options.get("upgrade") or {})
    try:
        declared.schema()
    except PayloadRejectedError as error:
        raise ValueError(
            f"the payload is annotated {named(annotation)}, whose JSON Schema cannot be stored ({error}): "
            f"write this part of the type in another way"
        ) from None
    if options.get("schedule") is not None:
        _check_schedule_payload(declared, options.get("schedule_payload"))
    return declared


def check_versions(version: int | None, upgrades: object) -> None:
    """Checks that each version except the last has an upgrade to the next version. Raises ValueError."""
    if upgrades is None and (version is None or version == 1):
        return
    if version is None:
        raise ValueError("upgrade needs version: the version of the payloads that this code takes")
    if upgrades is not None and not isinstance(upgrades, Mapping):
        raise ValueError(
            "upgrade must be a dictionary from each version to the function that upgrades from it"
        )
    steps: Mapping[Any, Any] = upgrades or {}
    if missing := [step for step in range(1, version) if step not in steps]:
        shown = ", ".join(map(str, missing[:5]))
        raise ValueError(f"upgrade has no step from version {shown}: records of that version may still wait")
    if unknown := [step for step in steps if step not in range(1, version)]:
        raise ValueError(
            f"upgrade has a step from version {unknown[0]!r}, but the newest version is {version}"
        )
    for step, function in steps.items():
        if not callable(function) or is_async(function):
            raise ValueError(f"upgrade[{step}] must be a plain function from payload to payload")
        check_callable_with(function, f"upgrade[{step}]", ("payload",))


def _check_schema(schema: dict[str, Any], version: int) -> None:
    root = rooted(schema)
    if VERSION_KEY in root.get("properties", {}):
        raise ValueError(f"{VERSION_KEY} holds the version of a payload: no field can have that name")
    if version > 1 and root.get("type") in _NO_OBJECTS:
        raise ValueError("version needs a payload that is an object, such as a model or a dataclass")


def _check_schedule_payload(declared: PayloadType, payload: object) -> None:
    try:
        declared.encode({} if payload is None else payload)
    except PayloadRejectedError as error:
        raise ValueError(f"schedule_{error}") from None
