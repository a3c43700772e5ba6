"""`queuectl top`, `follow`, `tail`, `explain` and `report` show the current state of the queue."""

import contextlib
import itertools
import json
import os
import pty
import re
import subprocess
import sys
import termios
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.readings.outcomes import OutcomeReader
from tasks.cli import main
from tests.support.filling import add_failed, add_flow, add_outcomes, add_records
from tests.support.page_data import ALERTS, DEPTHS, HISTORY

ONCE = ["--times", "1", "--interval", "0.2"]
ATTEMPT = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group, finished_at)
VALUES (%(id)s, 1, 1, 'alpha', gen_random_uuid(), 'retried', 'ValueError', %(message)s, 'ValueError', clock_timestamp())
"""


@pytest.fixture
def queue(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> DatabaseManager:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    add_flow(database)
    add_records(database, 3, age_seconds=90)
    add_failed(database, 2)
    add_outcomes(database, completed=40, enqueued=50, minutes_ago=0)
    return database


def call(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments), env={"COLUMNS": "160"})
    assert result.exit_code == 0, result.output + result.stderr
    return result


def test_top_shows_each_flow_and_the_alerts(queue: DatabaseManager) -> None:
    with queue.transaction() as cursor:
        cursor.execute(ALERTS)
    output = call("top", *ONCE).output
    assert re.search(r"alpha\s*│\s*3\s*│\s*0\s*│\s*2", output), output
    assert "warning: The server has 81 of 100 connections open" in output


def in_a_terminal(arguments: list[str]) -> str:
    """Returns the output of the command on a terminal of 80 columns."""
    master, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    program = [sys.executable, "-c", "from tasks.cli import main; main()", *arguments]
    with subprocess.Popen(
        program, stdout=terminal, stderr=terminal, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # the other end was closed
            while read := os.read(master, 4096):
                shown += read
        os.close(master)
    assert process.returncode == 0, shown
    return shown.decode()


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_top_cuts_no_figure(queue: DatabaseManager, columns: int) -> None:
    add_flow(queue, "a_flow_with_a_name_that_is_longer_than_most")
    environment = {"COLUMNS": str(columns), "TERM": "xterm"}
    output = CliRunner().invoke(main, ["top", *ONCE], env=environment).output
    assert max(map(len, output.splitlines())) <= columns
    heading = next(line for line in output.splitlines() if "flow" in line)
    assert {"flow", "pending", "failed", "oldest due", "out/min"} <= {
        word.strip() for word in re.split("[┃|]", heading)
    }
    (row,) = [line for line in output.splitlines() if "alpha" in line]
    assert [cell.strip() for cell in row.split("│")][2] == "3"
    assert "…" not in row
    assert ("median" in heading) == (columns == 160)


def test_top_looks_once_and_leaves_its_picture(queue: DatabaseManager) -> None:
    """With `--times`, `top` uses no separate screen even on a terminal, because such a screen is cleared at the end."""
    shown = in_a_terminal(["top", *ONCE])
    assert "alpha" in shown
    assert "\x1b[?1049h" not in shown


def test_follow_writes_one_line_each_time_and_what_blocks(queue: DatabaseManager) -> None:
    lines = call("follow", "alpha", "--times", "2", "--interval", "0.2").output.splitlines()
    assert len(lines) == 2
    found = re.search(r"3 pending, 0 processing, 2 failed, (\d+) out/min, 0 runs; no_worker_alive", lines[0])
    assert found, lines[0]
    assert 20 <= int(found[1]) <= 40  # 40 outcomes in a minute or two


def test_the_old_name_of_follow_still_works(queue: DatabaseManager) -> None:
    result = CliRunner().invoke(main, ["watch", "alpha", "--times", "1"])
    assert (result.exit_code, result.stdout.count("\n")) == (0, 1)
    assert "`queuectl watch` is called `queuectl follow`" in result.stderr
    assert " watch " not in CliRunner().invoke(main, ["--help"]).stdout


def test_follow_ends_when_nothing_is_left(queue: DatabaseManager) -> None:
    with queue.transaction() as cursor:
        cursor.execute("UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")
    assert call("follow", "alpha", "--until-empty").output.count("\n") == 1


def test_an_unknown_flow_is_refused_with_what_was_perhaps_meant(queue: DatabaseManager) -> None:
    for command in (["follow", "alhpa"], ["tail", "--flow", "alhpa"], ["top", "--flow", "alhpa"]):
        result = CliRunner().invoke(main, command)
        assert (result.exit_code, "alpha" in result.stderr) == (1, True)


def test_the_reader_of_outcomes_tells_each_once(queue: DatabaseManager) -> None:
    reader = OutcomeReader()

    def read() -> tuple[dict[str, int], list[int]]:
        with queue.transaction() as cursor:
            completed, attempts = reader.read(cursor)
        return completed, [attempt.record_id for attempt in attempts]

    assert read() == ({}, [])
    add_outcomes(queue, completed=7, minutes_ago=0)
    with queue.transaction() as cursor:
        for record_id in (1, 2):
            cursor.execute(ATTEMPT, {"id": record_id, "message": "boom"})
    assert read() == ({"alpha": 7}, [1, 2])
    rollups.fold(queue)
    assert read() == ({}, [])


def test_tail_writes_what_happened_and_no_terminal_controls(
    queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = itertools.count(9)

    def instead_of_sleeping(seconds: float) -> None:
        add_outcomes(queue, completed=5, minutes_ago=0)
        with queue.transaction() as cursor:
            cursor.execute(ATTEMPT, {"id": next(ids), "message": "red \x1b[31m alert"})

    monkeypatch.setattr("tasks.cli.tail.time.sleep", instead_of_sleeping)
    output = call("tail", "--times", "2").output
    assert re.search(r"alpha +completed +5 records", output)
    assert re.search(r"alpha +retried +record 9: ValueError: red +alert", output)
    assert "\x1b" not in output
    events = [json.loads(line) for line in call("tail", "--times", "2", "--json").output.splitlines()]
    assert {event["outcome"] for event in events} == {"completed", "retried"}


def test_tail_tells_every_time_by_one_clock(queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session and the host have different time zones. Lines about outcomes and lines about attempts both show
    the host's time."""
    monkeypatch.setenv("PGTZ", "Pacific/Kiritimati")
    monkeypatch.setenv("TZ", "America/St_Johns")
    time.tzset()
    ids = itertools.count(9)

    def instead_of_sleeping(seconds: float) -> None:
        add_outcomes(queue, completed=5, minutes_ago=0)
        with queue.transaction() as cursor:
            cursor.execute(ATTEMPT, {"id": next(ids), "message": "boom"})

    monkeypatch.setattr("tasks.cli.tail.time.sleep", instead_of_sleeping)
    try:
        began = datetime.now().astimezone()
        events = [json.loads(line) for line in call("tail", "--times", "2", "--json").output.splitlines()]
    finally:
        monkeypatch.undo()
        time.tzset()
    possible = {(began + timedelta(seconds=seconds)).strftime("%H:%M:%S") for seconds in range(-5, 30)}
    assert {event["outcome"] for event in events} == {"completed", "retried"}
    assert {event["at"] for event in events} <= possible


@pytest.mark.parametrize(
    "command",
    [["top", *ONCE], ["follow", "alpha", *ONCE], ["tail", *ONCE], ["explain", "--flow", "alpha"], ["report"]],
)
def test_a_database_that_does_not_answer_in_time_ends_the_command(
    command: list[str], queue: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.database.bounded_read.TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr("tasks.report.contents.TIMEOUT_SECONDS", 0.1)
    with queue.transaction() as cursor:
        cursor.execute("LOCK TABLE processing_queue, rollup_hours, rollup_minutes")
        result = CliRunner().invoke(main, command)
    assert "statement timeout" in result.stderr
    assert result.exit_code == 3


def test_explain_says_why_as_text_and_as_json(queue: DatabaseManager) -> None:
    with queue.transaction() as cursor:
        row = cursor.execute("SELECT min(id) FROM processing_queue").fetchone()
    assert row is not None
    assert "no_worker_alive: No worker process is alive." in call("explain", str(row[0])).output
    assert json.loads(call("explain", "--flow", "alpha", "--json").output)["code"] == "no_worker_alive"
    for wrong in ([], ["1", "--flow", "alpha"], ["x"]):
        assert CliRunner().invoke(main, ["explain", *wrong]).exit_code == 64


def test_explain_says_how_a_flow_is_named(queue: DatabaseManager) -> None:
    assert "a flow with --flow NAME" in CliRunner().invoke(main, ["explain", "alpha"]).output
    mistyped = CliRunner().invoke(main, ["explain", "--flow", "alpa"])
    assert (mistyped.exit_code, "did you mean alpha?" in mistyped.output) == (1, True)
    unlike = CliRunner().invoke(main, ["explain", "--flow", "zzz"])
    assert "no record waits for it: `queuectl status`" in unlike.output


def test_the_report_needs_nothing_else_and_escapes_what_records_say(
    queue: DatabaseManager, tmp_path: Path
) -> None:
    with queue.transaction() as cursor:
        cursor.execute(ATTEMPT, {"id": 5, "message": "<script>alert(1)</script> | [x](y)"})
        for statement in (HISTORY, DEPTHS, ALERTS):
            cursor.execute(statement, {"minutes": 600} if "%" in statement else None)
    rollups.fold(queue)
    file = tmp_path / "report.html"
    call("report", "--output", str(file))
    text = file.read_text()
    assert text.count("<svg") == 3
    assert "<polyline" in text
    assert "ValueError: &lt;script&gt;" in text
    assert not re.search(r"<script|src=|href=|url\(", text)
    markdown = call("report", "--format", "markdown").output
    assert "| alpha | 55 | 40 |" in markdown
    enqueued = re.search(r"^enqueued +([▁▂▃▄▅▆▇█]{48}) at most [\d.,e+]+$", markdown, re.MULTILINE)
    assert enqueued is not None
    assert "█" in enqueued[1]
    assert re.search(r"^pending +[▁▂▃▄▅▆▇█]{48} at most", markdown, re.MULTILINE)
    assert "ValueError: \\<script\\>alert(1)\\</script\\> \\| \\[x\\](y)" in markdown


def test_the_report_of_an_empty_queue_is_a_report(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    assert "too few to judge the success rate" in call("report", "--format", "markdown").output
    assert "<svg" in call("report").output
