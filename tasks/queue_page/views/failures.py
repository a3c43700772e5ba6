"""Failures, grouped by error, and their attempts."""

from typing import Any

from queue_store.readings.failures import NEWEST, read_group_attempts
from queue_store.readings.record_details import read_attempts
from queue_store.readings.top_errors import read_top_errors

from .request import ViewRequest

WINDOWS = {"1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0}
ATTEMPTS_AT_MOST = 100
GROUPS = 50


def failures(request: ViewRequest) -> dict[str, Any]:
    span = request.arguments.choice("span", tuple(WINDOWS)) or "24h"
    return {"span": span, "groups": read_top_errors(request.cursor, WINDOWS[span], GROUPS)}


def attempts(request: ViewRequest) -> dict[str, Any]:
    """A page of attempts. The first page includes the newest traceback."""
    arguments = request.arguments
    group = arguments.needed_text("group")
    before_at, before_id = arguments.instant("before_at"), arguments.whole("before_id")
    before = (before_at, before_id) if before_at and before_id else NEWEST
    found = read_group_attempts(request.cursor, group, before)
    newest = (
        read_attempts(request.cursor, found[0].record_id, ATTEMPTS_AT_MOST)
        if found and before is NEWEST
        else []
    )
    return {
        "attempts": found,
        "traceback": next((a.traceback for a in newest if a.error_group == group), None),
    }
