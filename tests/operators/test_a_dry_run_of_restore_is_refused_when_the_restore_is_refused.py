"""If the queue has records, `queuectl restore` without --replace is refused, with and without --dry-run, for the same
reason and with the same exit code."""

from pathlib import Path

import pytest

from queue_store import DatabaseManager
from queue_store.operators.backup import write_backup
from tests.cli.test_cli import QueueCtl
from tests.support import filling


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    return QueueCtl(database, monkeypatch)


@pytest.fixture
def backup(database: DatabaseManager, tmp_path: Path) -> Path:
    """A backup of an empty queue."""
    write_backup(database, tmp_path / "queue.zip")
    return tmp_path / "queue.zip"


def test_a_queue_with_records_refuses_both(queuectl: QueueCtl, backup: Path) -> None:
    filling.add_records(queuectl.database, 2)
    would = queuectl("restore", backup, "--dry-run", exit_code=1)
    done = queuectl("restore", backup, "--yes", exit_code=1)
    assert would.output == done.output
    assert "the queue has records: restore into an empty queue, or pass --replace" in would.stderr
    as_json = [queuectl.json("restore", backup, option, exit_code=1) for option in ("--dry-run", "--yes")]
    assert as_json[0] == as_json[1]


def test_with_replace_a_queue_with_records_accepts_both(queuectl: QueueCtl, backup: Path) -> None:
    filling.add_records(queuectl.database, 2)
    assert "would be restored" in queuectl("restore", backup, "--replace", "--dry-run").stdout
    assert len(queuectl.statuses) == 2
    queuectl("restore", backup, "--replace", "--yes")
    assert queuectl.statuses == []


def test_an_empty_queue_accepts_both(queuectl: QueueCtl, backup: Path) -> None:
    assert "would be restored" in queuectl("restore", backup, "--dry-run").stdout
    queuectl("restore", backup, "--yes")
