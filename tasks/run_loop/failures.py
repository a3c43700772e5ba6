"""Turns an exception into the values that are stored: the type, message, traceback and kind of the error."""

import re
import traceback

from queue_store.records.record import Failure, Record
from queue_store.redaction import redact

from ..authoring.flow import Flow
from .exception_groups import decisive, leaves_of

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 16_000
GROUP_LIMIT = 300
TYPE_LIMIT = 200

_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{16,}\b|\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)


def failure_of(flow: Flow, record: Record, error: BaseException, started: float, finished: float) -> Failure:
    """The outcome of an attempt that raised. Secrets are removed, and lengths are bounded. Never raises, even if the
    exception cannot give its text."""
    cause = decisive(error)
    exception_type = redact(type(cause).__qualname__, TYPE_LIMIT)
    message = redact(_message(error, cause) or exception_type, MESSAGE_LIMIT) or exception_type
    return Failure(
        record=record,
        started=started,
        finished=finished,
        exception_type=exception_type,
        error_message=message,
        error_group=error_group(exception_type, message),
        traceback=_traceback(error),
        retry_delay_seconds=flow.retry_delay_seconds(record.attempt_number, cause),
    )


def error_group(exception_type: str, message: str) -> str:
    """The kind of an error. It is the same for messages that differ only in ids and numbers."""
    return f"{exception_type}: {_VARYING.sub('#', message)}"[:GROUP_LIMIT]


def _message(error: BaseException, cause: BaseException) -> str:
    """The message of an error. For a group, it has the text of each different exception in the group, with their
    types if these differ."""
    leaves = leaves_of(error)
    if cause is error and len(leaves) > 1:
        return f"{_text(error)}: " + "; ".join(f"{type(leaf).__qualname__}: {_text(leaf)}" for leaf in leaves)
    return "; ".join(dict.fromkeys(_text(leaf) for leaf in leaves))


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001
        return f"its text cannot be had: str() raised {type(second).__name__}"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error)
    except BaseException as second:  # noqa: BLE001
        return f"no traceback: formatting it raised {type(second).__name__}"
    return redact("".join(lines), TRACEBACK_LIMIT)
