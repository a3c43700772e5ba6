"""If Ctrl-C interrupts a stop or a resume of `queuectl recover` after its COMMIT, the command still names what is
perhaps stopped, and the command that resumes exactly that."""

import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.operators.operators import Operators
from tasks.cli import main

SWITCHES = "SELECT ingestion_stopped_at IS NOT NULL, processing_stopped_at IS NOT NULL FROM queue_control"
INTERRUPTED = [
    ("stop_ingestion", "--ingestion. Perhaps ingestion is stopped.", (True, False)),
    ("stop_processing", "--all. Perhaps ingestion and processing are stopped.", (True, True)),
    ("resume_ingestion", "--all. Perhaps ingestion and processing are stopped.", (False, True)),
    ("resume_processing", "--processing. Perhaps processing is stopped.", (False, False)),
]


@pytest.mark.parametrize("is_replaced", [False, True])
@pytest.mark.parametrize(("name", "expected", "stopped"), INTERRUPTED)
def test_ctrl_c_after_the_commit(
    database: DatabaseManager,
    clean_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    expected: str,
    stopped: tuple[bool, bool],
    is_replaced: bool,
) -> None:
    """`is_replaced`: the rollback after Ctrl-C fails, and its error replaces the KeyboardInterrupt."""
    change = getattr(Operators, name)

    def interrupted(*arguments: Any, **options: Any) -> None:
        change(*arguments, **options)
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            if is_replaced:
                raise DatabaseUnavailableError("the connection is closed")  # noqa: B904
            raise

    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr(Operators, name, interrupted)
    words = ["recover", "--backup", str(tmp_path / "a.zip"), "--wait-seconds", "0", "--yes"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 130, result.output
    assert [line for line in result.stderr.splitlines() if "resume" in line] == [
        f"5. Not resumed: solve the problem first, then call queuectl resume {expected}"
    ]
    with database.transaction() as cursor:
        assert cursor.execute(SWITCHES).fetchone() == stopped
