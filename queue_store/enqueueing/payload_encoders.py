"""Converts the payloads of a flow to JSON. If the flow declares a type, payloads are encoded as that type.
Otherwise the rule for all payloads applies (queue_store/records/payload.py).

A flow that declares a type has its own encoder here, if this process has imported the flow's module. A process that has
not imported the flow's module cannot check whether a payload fits the type.
"""

from collections.abc import Callable, Mapping
from functools import cache

from queue_store.records.payload import encode_json
from queue_store.settings import load_processor_settings

Encode = Callable[[object], bytes]

_encoders: dict[str, Encode] = {}


@cache
def payload_limit_bytes() -> int:
    """PAYLOAD_LIMIT_BYTES, read once for each process."""
    return load_processor_settings().payload_limit_bytes


def encode_payload(payload: object) -> bytes:
    """Raises PayloadRejectedError."""
    return encode_json(payload, payload_limit_bytes())


def encoder_of(flow_name: str) -> Encode:
    """The returned function raises PayloadRejectedError for a payload that the flow does not accept."""
    return _encoders.get(flow_name, encode_payload)


def set_encoders(encoders: Mapping[str, Encode]) -> None:
    """Replace all encoders of this process. `encoders` has an encoder for each flow that declares a type, and none for
    other flows."""
    _encoders.clear()
    _encoders.update(encoders)


def set_encoder(flow_name: str, encode: Encode | None) -> None:
    """Without an encoder, the flow's payloads are encoded by the rule for all payloads."""
    if encode is None:
        _encoders.pop(flow_name, None)
    else:
        _encoders[flow_name] = encode
