"""Checks each message before Celery accepts it. A message that would kill the worker or fill its memory is refused
early, where the error can still be caught."""

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from kombu import compression

TEXT_LENGTH = 512
BODY_BYTES = 4_194_304  # a payload of 1 MB needs less, even escaped and in base64
_NUMBER = (int, float, type(None))
_TEXT = (str, type(None))
_KINDS = {"task": str, "id": str, "retries": (int, type(None)), "eta": _TEXT, "expires": (str, *_NUMBER),
    "timelimit": (list, type(None)), "root_id": _TEXT, "parent_id": _TEXT, "group": _TEXT, "shadow": _TEXT,
    "traceparent": _TEXT, "ignore_result": (bool, type(None)), "replaced_task_nesting": (int, type(None)),
    "stamps": (dict, type(None)), "stamped_headers": (list, type(None))}  # fmt: skip


def refuse_bad_headers(headers: Any) -> None:
    """Raises TypeError or ValueError for headers that would crash Celery after the message has reached the pool, where
    the error could no longer be caught."""
    if not headers:
        return
    for name, kinds in _KINDS.items():
        if name in headers and not isinstance(headers[name], kinds):
            raise TypeError(f"the header {name} is a {type(headers[name]).__name__}")
        if isinstance(headers.get(name), str) and len(headers[name]) > TEXT_LENGTH:
            raise ValueError(f"the header {name} has more than {TEXT_LENGTH} characters")
    limits = headers.get("timelimit")
    if limits and (len(limits) != 2 or not all(isinstance(limit, _NUMBER) for limit in limits)):
        raise TypeError("the header timelimit must hold two numbers")


def refuse_large_body(body: Any) -> None:
    """Raises ValueError for a body of more than BODY_BYTES."""
    if isinstance(body, str | bytes) and len(body) > BODY_BYTES:
        raise ValueError(f"the body has more than {BODY_BYTES} bytes")


def bound_decompression() -> None:
    """Limit what a compressed body may expand to, because a few kilobytes can expand to gigabytes. The limit must be
    set in Kombu, which expands a body before any other code sees the message."""
    known: dict[str, Callable[[bytes], bytes]] = {
        "application/x-gzip": lambda body: _bounded(zlib.decompressobj().decompress(body, BODY_BYTES)),
        "application/x-bz2": lambda body: _bounded(bz2.BZ2Decompressor().decompress(body, BODY_BYTES)),
        "application/x-lzma": lambda body: _bounded(lzma.LZMADecompressor().decompress(body, BODY_BYTES)),
    }
    for content_type in compression.encoders():
        compression.register(_not_compressed, known.get(content_type, _unbounded), content_type)


def _bounded(expanded: bytes) -> bytes:
    if len(expanded) >= BODY_BYTES:
        raise ValueError(f"the body expands to {BODY_BYTES} bytes or more")
    return expanded


def _unbounded(body: bytes) -> bytes:
    raise ValueError("the size of a message that is compressed this way cannot be bounded: use gzip")


def _not_compressed(body: bytes) -> bytes:
    raise ValueError("a worker compresses no messages")
