"""Finds records, and shows everything about one record."""

from typing import Any

from queue_store.explain import explain_record
from queue_store.readings.record_details import RecordDetails, read_record_details
from queue_store.readings.records import RecordPage, find_records

from ..record_search import PAGE_RECORDS, filter_of
from .request import ViewRequest

HIDDEN_LENGTH = 40
ATTEMPTS_AT_MOST = 100
SHOWN_COLUMNS = {
    *(
        "id",
        "flow_name",
        "status",
        "priority",
        "scheduled_at",
        "created_at",
        "updated_at",
        "claimed_at",
        "started_at",
    ),
    *(
        "completed_at",
        "flow_instance_id",
        "claim_number",
        "retry_count",
        "crash_strikes",
        "batch_limit",
        "unfinished_claims",
        "dedup_key",
    ),
    *("order_key", "correlation_id", "error_message", "payload_bytes"),
}


def records(request: ViewRequest) -> RecordPage:
    return find_records(request.cursor, filter_of(request.arguments), PAGE_RECORDS)


def record(request: ViewRequest) -> dict[str, Any]:
    """Raises UnknownRecordError."""
    record_id = request.arguments.needed_whole("id", 1)
    explanation = explain_record(request.cursor, request.settings, record_id)
    details = read_record_details(request.cursor, record_id, ATTEMPTS_AT_MOST)
    return {
        "record": _shown_columns(details, request.settings.show_payloads),
        "payload_is_shown": request.settings.show_payloads,
        "attempts": details.attempts,
        "explanation": explanation.as_json(),
    }


def _shown_columns(details: RecordDetails, show_payloads: bool) -> dict[str, Any]:
    record, progress, run = details.record, details.progress, details.run or {}
    request = details.cancel_request or {}
    if progress is None or progress["claim_number"] != record["claim_number"]:
        progress = {}
    return {
        **{name: value for name, value in record.items() if name in SHOWN_COLUMNS},
        "payload": for_browsers(record["payload"]) if show_payloads else outline(record["payload"]),
        "result": for_browsers(record["result"]) if show_payloads else outline(record["result"]),
        "progress": for_browsers(progress.get("progress")),
        "progress_at": progress.get("updated_at"),
        "cancel_requested_by": request.get("requested_by"),
        "cancel_requested_at": request.get("requested_at"),
        **_in_hand(record, run),
        "hostname": run.get("hostname"),
        "pid": run.get("pid"),
        "run_state": run.get("state"),
    }


def _in_hand(record: dict[str, Any], run: dict[str, Any]) -> dict[str, Any]:
    """Returns the time at which the process began to work on the record under this claim, and the author and the time
    of a request to end the handler."""
    claim = record["id"], record["claim_number"]
    is_in_hand = (run.get("in_hand_record_id"), run.get("in_hand_claim_number")) == claim
    is_asked = (run.get("end_record_id"), run.get("end_claim_number")) == claim
    return {
        "in_hand_since": run["in_hand_since"] if is_in_hand else None,
        "end_requested_by": run["end_requested_by"] if is_asked else None,
        "end_requested_at": run["end_requested_at"] if is_asked else None,
    }


def for_browsers(value: Any) -> Any:
    """Turns integers of more than 53 bits into text, because a browser would round them."""
    if isinstance(value, dict):
        return {key: for_browsers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [for_browsers(inner) for inner in value]
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value


def outline(value: Any) -> Any:
    """Returns the keys of a payload and the kind or length of each value, but never the values."""
    if isinstance(value, dict):
        return {str(key)[:HIDDEN_LENGTH]: outline(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return f"list of {len(value)}"
    if isinstance(value, str):
        return f"text of {len(value)} characters"
    return None if value is None else {bool: "true or false", int: "number", float: "number"}[type(value)]
