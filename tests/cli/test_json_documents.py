"""With `--json`, each command answers with JSON. A command that fails answers with one JSON document, and never writes
a traceback."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from tasks.cli import COMMANDS, main
from tests.support.flow_rows import register_flow

UNREACHABLE = "postgresql://nobody:hush@127.0.0.1:1/rpa_db"
NEEDED = {
    "cancel": ["1"],
    "drain": ["survey", "--timeout", "0"],
    "enqueue": ["-", "--flow", "survey", "--format", "jsonl"],
    "explain": ["1"],
    "maintenance": ["--cleanup-orphaned-records"],
    "pause": ["survey"],
    "recover": ["--backup", "FILE", "--yes"],
    "report": [],
    "reset": ["1"],
    "restore": ["FILE", "--yes"],
    "resume": ["survey"],
    "schema": ["survey"],
    "show": ["1"],
    "stop": ["--all", "--yes"],
    "tail": ["--times", "1"],
    "top": ["--times", "1"],
    "tune": ["survey", "--reset"],
    "up": ["--once", "--data-directory", "DIRECTORY"],
    "follow": ["survey", "--times", "1"],
    "backup": ["FILE"],
    "metrics-server": ["--address", "300.0.0.1"],
    "import": ["procrastinate", "--yes"],
    "move": ["surwey", "survey", "--yes"],
    "new-flow": ["class"],
}
WITHOUT_DATABASE = ("metrics-server", "new-flow")
READING = ("capacity", "failures", "report", "schedule", "status", "tail", "top", "validate", "follow")


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)


def call(tmp_path: Path, command: str, *more: str, needed: bool = True, stdin: str = "") -> Result:
    places = {"FILE": str(tmp_path / "a.zip"), "DIRECTORY": str(tmp_path / "data")}
    arguments = [places.get(word, word) for word in NEEDED.get(command, [])] if needed else []
    return CliRunner().invoke(main, [command, "--json", *arguments, *more], input=stdin)


def document(result: Result) -> Any:
    assert "Traceback" not in result.output
    return json.loads(result.stdout)


def test_every_command_takes_json() -> None:
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert "--json" in [option for parameter in command.params for option in parameter.opts], name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_option_is_answered_with_a_document(command: str, tmp_path: Path) -> None:
    result = call(tmp_path, command, "--nothing", needed=False)
    found = document(result)
    assert (found["exit_code"], result.exit_code) == (64, 64)
    assert "--nothing" in found["error"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in WITHOUT_DATABASE])
def test_a_database_that_is_away_is_answered_with_a_document(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    result = call(tmp_path, command)
    found = document(result)
    if command == "check":
        assert (found["health"], result.exit_code) == ("emergency", 2)
    elif command == "doctor":
        assert (found["health"], result.exit_code) == ("problem", 2)
    else:
        assert found["exit_code"] == result.exit_code
        assert result.exit_code in (1, 3, 64)
        assert found["error"]
    assert "hush" not in result.output


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in (*WITHOUT_DATABASE, "doctor")])
def test_a_wrong_setting_is_answered_with_a_document(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://somewhere")
    found = document(call(tmp_path, command))
    assert found["exit_code"] or found["health"] == "unknown"
    assert found["error"]


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error"),
    [
        (["stauts"], 64, "did you mean status"),
        (["show", "x"], 64, "'x' is not a valid integer"),
        (["show", "9"], 1, "there is no record"),
        (["pause", "nobody"], 1, "nobody"),
        (["stop", "--all"], 64, "--yes"),
        (["alerts", "--acknowledge", "7"], 1, "no open, unacknowledged alert 7"),
        (["enqueue", "-", "--flow", "survey", "--format", "jsonl"], 1, "Nothing was enqueued"),
        (["new-flow", "class"], 64, "lower-case letters"),
        (["metrics-server", "--address", "300.0.0.1"], 1, "cannot listen"),
        (["backup", "/nowhere/at/all.zip"], 1, "cannot be written"),
        (["report", "--output", "/nowhere/at/all.html"], 1, "No such file"),
        ([], 64, "--json"),
    ],
)
def test_a_wrong_value_is_answered_with_a_document(
    database: Any, arguments: list[str], exit_code: int, error: str
) -> None:
    register_flow(database, "survey")
    result = CliRunner().invoke(main, [*arguments, "--json"], input="{\n")
    assert result.exit_code == exit_code, result.output
    assert error in document(result)["error"]


def test_an_error_of_the_program_itself_is_a_document_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tasks.cli.status.asdict", broken)
    result = call(tmp_path, "status")
    assert "ZeroDivisionError" in json.loads(result.stdout)["error"]
    assert result.exit_code == 1


@pytest.mark.parametrize("command", READING)
def test_an_answer_is_one_document(database: Any, command: str, tmp_path: Path) -> None:
    register_flow(database, "survey")
    result = call(tmp_path, command, stdin="")
    assert result.exit_code == 0, result.output
    assert result.stdout == "" if command == "tail" else document(result) is not None


def test_a_recovery_is_one_document(database: Any, tmp_path: Path) -> None:
    found = document(call(tmp_path, "recover"))
    assert (found["problem_count"], found["ingestion_stopped"]) == (0, False)
