"""Converts the payloads of a flow to JSON: as the type that the flow declares, or else by the rule that applies to
all payloads (queue_store/records/payload.py).

If this process has imported the module of a flow, the flow has its own encoder here. Other processes cannot check
the type of its payloads.
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
    """Set the encoders of all flows of this process that declare a type. Other flows have none."""
    _encoders.clear()
    _encoders.update(encoders)


def set_encoder(flow_name: str, encode: Encode | None) -> None:
    """None: encode by the rule that applies to all payloads."""
    if encode is None:
        _encoders.pop(flow_name, None)
    else:
        _encoders[flow_name] = encode
