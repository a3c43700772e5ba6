"""Finding records, and one record's whole story."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from queue_store.explain import explain_record
from queue_store.readings.records import (
    MAXIMUM_ID,
    RecordFilter,
    RecordPage,
    find_records,
    read_attempts,
    read_record,
)
from queue_store.records.record import STATUSES

from ..arguments import Arguments, BadInputError

if TYPE_CHECKING:
    from . import Look

HIDDEN_LENGTH = 40
PAGE_RECORDS = 50
SEARCHED_FOR = ("flow", "status", "error", "key", "payload_key", "payload_value", "from", "before")


def records(look: "Look") -> RecordPage:
    return find_records(look.cursor, filter_of(look.arguments), PAGE_RECORDS)


def record(look: "Look") -> dict[str, Any]:
    """Raises UnknownRecordError."""
    record_id = look.arguments.needed_whole("id", 1)
    explanation = explain_record(look.cursor, look.settings, record_id)
    story = read_record(look.cursor, record_id)
    assert story is not None
    shown = look.settings.show_payloads
    return {
        "record": asdict(story)
        | {
            "payload": story.payload if shown else outline(story.payload),
            "result": story.result if shown else outline(story.result),
        },
        "payload_is_shown": shown,
        "attempts": read_attempts(look.cursor, record_id),
        "explanation": explanation.as_json(),
    }


def filter_of(arguments: Arguments) -> RecordFilter:
    """Raises BadInputError."""
    wanted = RecordFilter(
        flow_name=arguments.text("flow"),
        status=arguments.choice("status", STATUSES),
        error=arguments.text("error"),
        key=arguments.text("key"),
        payload_key=arguments.text("payload_key"),
        payload_value=arguments.text("payload_value"),
        created_from=arguments.instant("from"),
        created_before=arguments.instant("before"),
        before_id=arguments.whole("before_id", 1) or MAXIMUM_ID,
    )
    if wanted.payload_value is not None and wanted.payload_key is None:
        raise BadInputError("payload_key is missing: a value is looked for under its key")
    if wanted.created_from and wanted.created_before and wanted.created_from >= wanted.created_before:
        raise BadInputError("from must be earlier than before")
    return wanted


def outline(value: Any) -> Any:
    """Which keys a payload has, and of what kind its values are; never the values."""
    if isinstance(value, dict):
        return {str(key)[:HIDDEN_LENGTH]: outline(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return f"list of {len(value)}"
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    return None if value is None else {bool: "true or false", int: "number", float: "number"}[type(value)]
