"""The commands of docs/watching.md are run as the page shows them, and the page lists all registered reason codes
and no others."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.explain import registered_codes
from tasks.cli import main
from tests.support.page_data import fill

PAGE = Path(__file__).parents[2] / "docs/watching.md"
COMMANDS = [
    line
    for block in re.findall(r"```shell\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in block.splitlines()
]


@pytest.fixture
def queue(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> DatabaseManager:
    fill(database, count=40, minutes=60)
    with database.transaction() as cursor:  # the page says record 1
        cursor.execute("UPDATE processing_queue SET id = 1 WHERE id = (SELECT min(id) FROM processing_queue)")
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.chdir(tmp_path)
    return database


def test_every_command_of_the_page_works(queue: DatabaseManager) -> None:
    assert len(COMMANDS) == 8
    for command in COMMANDS:
        program, *arguments = shlex.split(command)
        assert program == "queuectl"
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, f"{command}: {result.output}{result.stderr}"
        assert result.output or "tail" in arguments, command


def test_every_code_is_on_the_page_and_every_code_of_the_page_exists() -> None:
    rows = re.findall(r"^\| (`.*?) \| .* \| .* \|$", PAGE.read_text(), re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == set(registered_codes())
