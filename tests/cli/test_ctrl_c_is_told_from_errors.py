"""If Ctrl-C interrupts a statement, and the rollback then raises an error, the command says that it was interrupted."""

import click
import psycopg
import pytest

from tasks.cli import main
from tasks.cli.status import status


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted_statement(**_: object) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise psycopg.OperationalError("the connection is closed")

    monkeypatch.setattr(status, "callback", interrupted_statement)


def test_an_error_of_the_rollback(interrupted: None, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 130
    assert capsys.readouterr().err == "Interrupted. Uncommitted changes are rolled back.\n"


def test_an_answer_at_a_prompt(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def prompt(**_: object) -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise click.Abort from None

    monkeypatch.setattr(status, "callback", prompt)
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 1
    assert capsys.readouterr().err == "Nothing was done, because you did not confirm.\n"
