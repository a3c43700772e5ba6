"""Causes one trouble, waits until it is found, and mends it. Notes everything unexpected."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from queue_store.alerting.findings import Finding
from queue_store.settings import load_processor_settings
from tasks.alerts.checking import check_queue
from tasks.monitoring.databases import database_named
from tests.drill.fleet import Fleet
from tests.drill.trouble import Trouble

QUIET_SECONDS = 60.0
MEND_SECONDS = 120.0
PAUSE_SECONDS = 0.5
OPEN_ALERTS = "SELECT code FROM alerts WHERE resolved_at IS NULL"


@dataclass
class Drilled:
    """`found_seconds` is None if the trouble was not found in time. `mended_seconds` is None if the trouble was not
    mended in time. `wrong`: the unexpected observations of each phase."""

    trouble: Trouble
    found_seconds: float | None = None
    mended_seconds: float | None = None
    message: str = ""
    wrong: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def is_good(self) -> bool:
        return self.found_seconds is not None and self.mended_seconds is not None and not self.wrong


def drill(trouble: Trouble, fleet: Fleet) -> Drilled:
    """If the trouble was not found or not mended as expected, raises no error, but returns a result that says what was
    wrong."""
    drilled = Drilled(trouble)
    with ExitStack() as stack:
        stack.enter_context(fleet.settings_here())
        if _wait(drilled, "before", lambda seen: not seen, QUIET_SECONDS) is None:
            return drilled
        drilled.wrong.clear()
        for place, name, value in trouble.shortened:
            stack.enter_context(_replaced(place, name, value))
        making = trouble.make(fleet)
        next(making)
        drilled.found_seconds = _wait(
            drilled, "during", lambda seen: {f.code for f in seen} == trouble.codes, trouble.seconds
        )
        if drilled.found_seconds is not None and trouble.is_steady:
            _wait(drilled, "during", lambda seen: {f.code for f in seen} == trouble.codes, 0)
            if trouble.says not in drilled.message:
                drilled.wrong["message"] = [f"{trouble.says!r} is missing in the text: {drilled.message}"]
        next(making, None)
        drilled.mended_seconds = _wait(
            drilled, "after", lambda seen: not seen and _is_resolved(fleet), MEND_SECONDS
        )
    return drilled


def look() -> list[Finding]:
    """Judges the queue and stores the alerts, as `queuectl check --notify` does."""
    return check_queue(database_named(), load_processor_settings(), notify=True).findings


def _wait(
    drilled: Drilled, phase: str, is_over: Callable[[list[Finding]], bool], seconds: float
) -> float | None:
    """Judges the queue until `is_over` is true. Returns how many seconds this took, or None if it took too long.
    Notes each finding that this trouble does not allow."""
    allowed = drilled.trouble.codes | drilled.trouble.passing
    started = time.monotonic()
    while True:
        seen = look()
        took = time.monotonic() - started
        for finding in seen:
            if finding.code not in allowed:
                said = drilled.wrong.setdefault(phase, [])
                if not any(text.startswith(f"{finding.code}:") for text in said):
                    said.append(f"{finding.code}: {finding.message}")
            elif finding.code in drilled.trouble.codes and phase == "during" and not drilled.message:
                drilled.message = finding.recommendation
        if is_over(seen):
            return took
        if took > seconds:
            codes = ", ".join(sorted({f.code for f in seen})) or "none"
            drilled.wrong.setdefault(phase, []).append(f"after {took:.0f} s the findings are: {codes}")
            return None
        time.sleep(PAUSE_SECONDS)


def _is_resolved(fleet: Fleet) -> bool:
    return not fleet.query(OPEN_ALERTS)


@contextmanager
def _replaced(place: Any, name: str, value: Any) -> Iterator[None]:
    patch = (
        mock.patch.dict(place, {name: value})
        if isinstance(place, Mapping)
        else mock.patch.object(place, name, value)
    )
    with patch:
        yield
