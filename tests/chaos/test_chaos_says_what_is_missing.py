"""If PgBouncer is missing, the chaos run says so, and ends with the exit code that .ci/run counts as skipped."""

import re

import pytest

from tests.chaos import __main__ as chaos
from tests.support.documents import ROOT


def test_without_a_pgbouncer_it_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.chaos.__main__.program", lambda: None)
    monkeypatch.setattr("sys.argv", ["chaos", "--pgbouncer"])
    code = chaos.main()
    said = capsys.readouterr().err
    assert "pgbouncer is not there: apt-get install pgbouncer" in said
    assert len(said.splitlines()) == 1
    of_the_gate = re.search(r"^NOT_DONE=(\d+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert of_the_gate
    assert code == int(of_the_gate[1])
