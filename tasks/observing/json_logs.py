"""With the setting LOG_FORMAT=json, each log line is one JSON document. This setting is for containers, whose logs are
read by programs."""

import json
import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast

from celery import current_task
from celery.signals import after_setup_logger, after_setup_task_logger

from queue_store.errors import SettingsError
from queue_store.redaction import HIDDEN, redact
from queue_store.settings import load_processor_settings

from . import observe_with
from .bound_fields import bound_fields, bound_to_logs

TRACEBACK_LENGTH = 20_000
OWN_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": record.process,
            "message": redact(record.getMessage()),
            **bound_fields(),
            **_task(),
            **_bound(record),
        }
        if record.exc_info:
            line["exception"] = redact(self.formatException(record.exc_info), TRACEBACK_LENGTH)
        return json.dumps(line, default=str, ensure_ascii=False)


def _task() -> dict[str, Any]:
    request = getattr(current_task, "request", None)
    return {"task": current_task.name, "task_id": request.id} if request and request.id else {}


def _bound(record: logging.LogRecord) -> dict[str, Any]:
    """Returns the values that the caller gave as `extra`. Celery's own values are left out, because they contain
    whole messages with arguments."""
    if record.name.startswith("celery."):
        return {}
    given = {name: value for name, value in vars(record).items() if name not in OWN_ATTRIBUTES}
    return {name: _told(name, value) for name, value in given.items()}


def _told(name: object, value: object) -> object:
    """Returns the value without secrets. If the name says that the value is secret, the whole value is hidden."""
    if value is None or isinstance(value, bool | int | float):
        return value if redact(f"{name}={value}") == f"{name}={value}" else HIDDEN
    if isinstance(value, Mapping):
        return {str(key): _told(key, inner) for key, inner in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_told(name, inner) for inner in cast("Iterable[object]", value)]
    is_secret = HIDDEN in redact(f"{name}=x")
    return HIDDEN if is_secret else redact(str(value))


@after_setup_logger.connect
@after_setup_task_logger.connect
def write_json(logger: logging.Logger, **_: Any) -> None:
    try:
        is_wanted = load_processor_settings().log_format == "json"
    except SettingsError:  # the worker checks its settings at the start, and reports this error
        return
    if is_wanted:
        log_as_json(logger)


def log_as_json(logger: logging.Logger) -> None:
    """Idempotent. Makes all handlers of this logger write JSON."""
    for handler in logger.handlers:
        handler.setFormatter(JsonFormatter())
    observe_with(bound_to_logs)
