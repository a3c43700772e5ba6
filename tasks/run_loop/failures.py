"""Turns an exception into the values that are stored: the type, message, traceback and kind of the error."""

import logging
import re
import traceback
from contextlib import suppress

from queue_store.records.record import Failure, Record
from queue_store.redaction import redact

from ..authoring.flow import Flow
from ..authoring.retries import DEFAULT_BACKOFF
from .exception_groups import decisive, leaves_of

MESSAGE_LIMIT = 2_000
TRACEBACK_LIMIT = 16_000
GROUP_LIMIT = 300
TYPE_LIMIT = 200
NAMELESS = "Exception"  # the type of an error whose class has no readable name
NOT_DESCRIBED = "the error of the handler could not be described"

logger = logging.getLogger(__name__)

_VARYING = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|\b[0-9a-f]{16,}\b|\d+(?:[.,:]\d+)*",
    re.IGNORECASE,
)


def failure_of(flow: Flow, record: Record, error: BaseException, started: float, finished: float) -> Failure:
    """Returns the outcome of an attempt that raised this error. Secrets are removed, and lengths are bounded. Never
    raises, even if `str()` of the error raises."""
    try:
        return _described(flow, record, error, started, finished)
    except BaseException:  # a mistake of this module must not end the thread or the run
        with suppress(BaseException):
            logger.exception("the error of record %s could not be described", record.id)
        return Failure(
            record=record,
            started=started,
            finished=finished,
            exception_type=NAMELESS,
            error_message=NOT_DESCRIBED,
            error_group=NOT_DESCRIBED,
            traceback=NOT_DESCRIBED,
            retry_delay_seconds=DEFAULT_BACKOFF.delay_seconds(record.attempt_number),
        )


def _described(flow: Flow, record: Record, error: BaseException, started: float, finished: float) -> Failure:
    cause = decisive(error)
    exception_type = _type_name(cause)
    message = redact(_message(error, cause) or exception_type, MESSAGE_LIMIT) or exception_type
    return Failure(
        record=record,
        started=started,
        finished=finished,
        exception_type=exception_type,
        error_message=message,
        error_group=error_group(exception_type, message),
        traceback=_traceback(error),
        retry_delay_seconds=_retry_delay_seconds(flow, record, cause),
    )


def error_group(exception_type: str, message: str) -> str:
    """Returns the kind of an error: its type, and its message with `#` for each id and number. The kind is one line,
    without white space at its ends."""
    text = f"{exception_type}: {_VARYING.sub('#', message)}"
    return " ".join(text.split())[:GROUP_LIMIT].rstrip()


def _retry_delay_seconds(flow: Flow, record: Record, cause: BaseException) -> float | None:
    """Returns the delay before the next attempt. None if the error is permanent. If the flow's own functions or the
    error's class raise an error, returns the default back-off."""
    try:
        return flow.retry_delay_seconds(record.attempt_number, _decisive_for_a_retry(flow, cause))
    except BaseException:  # noqa: BLE001
        return DEFAULT_BACKOFF.delay_seconds(record.attempt_number)


def _decisive_for_a_retry(flow: Flow, error: BaseException) -> BaseException:
    """Returns the exception that decides about a retry: usually the error itself. If `error` is an exception group and
    `retry_on` names its class, the group itself decides. Otherwise, if one policy applies to all exceptions of the
    group, the first of these exceptions decides."""
    if any(kind in flow.retry_on and issubclass(kind, BaseExceptionGroup) for kind in type(error).__mro__):
        return error
    leaves = leaves_of(error)
    policies = [flow.retry_policy(leaf) for leaf in leaves]
    is_one_policy = policies[0] is not None and all(policy == policies[0] for policy in policies)
    return leaves[0] if is_one_policy else error


def _message(error: BaseException, cause: BaseException) -> str:
    """Returns the message of an error. For a group, the message contains the texts of the group's exceptions. If no
    exception of the group stands for the whole group (see `decisive`), the message also names their types."""
    leaves = leaves_of(error)
    if cause is error and len(leaves) > 1:
        return f"{_text(error)}: " + "; ".join(f"{_type_name(leaf)}: {_text(leaf)}" for leaf in leaves)
    return "; ".join(dict.fromkeys(_text(leaf) for leaf in leaves))


def _type_name(error: BaseException) -> str:
    try:
        return redact(f"{type(error).__qualname__}", TYPE_LIMIT) or NAMELESS
    except BaseException:  # noqa: BLE001
        return NAMELESS


def _text(error: BaseException) -> str:
    """`str()` may return an object of a subclass of `str` with methods of its own. `join` copies the object into
    an ordinary string."""
    try:
        return "".join([str(error)])
    except BaseException as second:  # noqa: BLE001
        return f"its text is not available: str() raised {_type_name(second)}"


def _traceback(error: BaseException) -> str:
    try:
        lines = traceback.format_exception(error)
    except BaseException as second:  # noqa: BLE001
        return f"no traceback: formatting it raised {_type_name(second)}"
    return redact("".join(lines), TRACEBACK_LIMIT)
