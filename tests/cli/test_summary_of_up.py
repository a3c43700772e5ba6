"""The summary of `queuectl up` shows an error with its type, as `queuectl failures` does. The summary shows a figure of
the last hour only if that figure is known."""

from collections.abc import Callable
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


@pytest.fixture
def output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Health], str]:
    """A function that returns what `queuectl up` writes about two errors and the given health."""
    monkeypatch.setattr("tasks.cli.up_report.shown_login", lambda *_: "somebody")

    def written(health: Health) -> str:
        errors = [group(), group(error_group=OTHER, exception_type=OTHER)]
        page = "http://127.0.0.1:5555/queue"
        UpReport(tmp_path, is_elsewhere=False).summary(
            Summary(True, None, {"failed": 1}, health, errors, page, str(tmp_path))
        )
        return capsys.readouterr().out

    return written


def test_an_error_has_its_type(output: Callable[[Health], str]) -> None:
    said = output(Health(0, 2, None, None))
    assert "KeyError: 'cake'" in said
    assert "other kinds" in said


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (Health(0, 2, None, None), "fewer than 20 records completed or failed in the last hour."),
        (
            Health(0, 2, None, 0.002),
            "fewer than 20 records completed or failed in the last hour; 95 % of the records took at most 2.0 ms.",
        ),
        (Health(0, 2, 0.0, None), "success rate of the last hour 0.0 %."),
        (
            Health(0, 2, 97.5, 0.002),
            "success rate of the last hour 97.5 %; 95 % of the records took at most 2.0 ms.",
        ),
    ],
)
def test_a_figure_is_shown_if_it_is_known(
    output: Callable[[Health], str], health: Health, expected: str
) -> None:
    assert expected in output(health)
