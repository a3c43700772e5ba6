"""A slow command reports its progress on stderr."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from tasks.cli import main
from tasks.cli.frame import Progress
from tests.support import filling
from tests.support.filling import add_flow, add_records

RECORDS = 1_200  # more than one chunk


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str, database: DatabaseManager) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr("tasks.cli.frame.PROGRESS_SECONDS", 0)
    add_flow(database)


def queuectl(*arguments: object) -> Any:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result


def test_reset(database: DatabaseManager) -> None:
    filling.add_failed(database, RECORDS)
    result = queuectl("reset", "--all", "--yes")
    assert result.stderr.splitlines() == [
        "reset: 1,000 rows so far …", "reset: 1,200 rows so far …",
    ]  # fmt: skip
    assert result.stdout == "1,200 records reset.\n"


def test_cancel(database: DatabaseManager) -> None:
    add_records(database, RECORDS)
    assert "cancel: 1,000 rows so far …" in queuectl("cancel", "--flow", "alpha", "--yes").stderr


def test_move(database: DatabaseManager) -> None:
    add_records(database, RECORDS, "alhpa")
    assert "move: 1,000 rows so far …" in queuectl("move", "alhpa", "alpha", "--yes").stderr


def test_backup_and_restore(database: DatabaseManager, tmp_path: Path) -> None:
    add_records(database, RECORDS)
    file = tmp_path / "queue.zip"
    assert "backup: 1,200 rows so far …" in queuectl("backup", file).stderr
    assert " rows so far …" in queuectl("restore", file, "--replace", "--yes").stderr
    recovered = queuectl("recover", "--backup", tmp_path / "before.zip", "--wait-seconds", 0, "--yes")
    assert "backup: 1,200 rows so far …" in recovered.stderr


def test_nothing_is_reported_that_is_done_at_once(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.cli.frame.PROGRESS_SECONDS", 60)
    filling.add_failed(database, RECORDS)
    assert queuectl("reset", "--all", "--yes").stderr == ""


def test_the_time_before_the_first_chunk_does_not_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first chunk, the user may need minutes to answer the command's question."""
    progress = Progress()
    monkeypatch.setattr("tasks.cli.frame.PROGRESS_SECONDS", 2)
    for now, count in ((1_000, 1), (1_001, 2), (1_002, 3)):
        monkeypatch.setattr("tasks.cli.frame.time", SimpleNamespace(monotonic=lambda now=now: now))
        progress("reset", count)
    assert capsys.readouterr().err == "reset: 3 rows so far …\n"
