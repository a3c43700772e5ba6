"""Without a database URL, a command says how to read the addresses that `queuectl up` has written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tasks.cli import main
from tests.cli.test_json_documents import NEEDED

ADVICE = "`. .data/environment` reads them into this shell."
OTHERS = ("new-flow", "recover", "restore", "up")  # need no database, or check a file first


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DATABASE_URL", "DEVELOPMENT_GLOBAL_RPA_DB_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tasks.embedded.places.SYSTEM_DIRECTORY", tmp_path / "system")
    return tmp_path


def write_environment(directory: Path) -> None:
    (directory / ".data").mkdir()
    (directory / ".data/environment").write_text("export DATABASE_URL=postgresql://x@/rpa_db\n")


@pytest.mark.parametrize("command", ["status", "failures", *(c for c in NEEDED if c not in OTHERS)])
def test_each_command_names_the_file(directory: Path, command: str) -> None:
    write_environment(directory)
    (directory / "FILE").touch()
    arguments = [str(directory / a) if a == "FILE" else a for a in NEEDED.get(command, [])]
    result = CliRunner().invoke(main, [command, *arguments])
    assert "DATABASE_URL or DEVELOPMENT_GLOBAL_RPA_DB_URL is missing" in result.output
    assert ADVICE in result.stderr
    document = CliRunner().invoke(main, [command, *arguments, "--json"]).stdout
    assert ADVICE in json.loads(document)["error"]


def test_doctor_names_the_file(directory: Path) -> None:
    write_environment(directory)
    assert ADVICE.rstrip(".") in CliRunner().invoke(main, ["doctor"]).stdout


def test_where_nothing_was_written_no_file_is_named(directory: Path) -> None:
    assert "environment" not in CliRunner().invoke(main, ["status"]).output
    assert not (directory / "system").exists()


def test_another_wrong_setting_needs_no_addresses(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_environment(directory)
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/rpa_db")
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "0")
    result = CliRunner().invoke(main, ["status"])
    assert "BATCH_SIZE" in result.stderr
    assert "environment" not in result.stderr
