"""The summary of `queuectl up` shows an error with its type, as `failures` does."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from queue_store.readings.top_errors import OTHER, ErrorGroup
from tasks.cli.up_report import UpReport
from tasks.cli.up_summary import Health, Summary

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def group(**parts: Any) -> ErrorGroup:
    values: dict[str, Any] = {
        "error_group": "KeyError: 'cake'", "error_message": "'cake'", "exception_type": "KeyError", "error_count": 4,
        "failed_count": 1, "record_count": 1, "flow_names": ["shop"], "first_at": NOW, "last_at": NOW,
        "is_capped": False, "counted_since": NOW,
    }  # fmt: skip
    return ErrorGroup(**values | parts)


def test_an_error_has_its_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.cli.up_report.shown_login", lambda *_: "somebody")
    others = group(error_group=OTHER, exception_type=OTHER)
    health = Health(0, 2, None, None)
    summary = Summary(
        True, None, {"failed": 1}, health, [group(), others], "http://127.0.0.1:5555/queue", str(tmp_path)
    )
    UpReport(tmp_path, is_elsewhere=False).summary(summary)
    said = capsys.readouterr().out
    assert "KeyError: 'cake'" in said
    assert "other kinds" in said
