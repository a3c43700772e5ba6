"""Tests `queuectl up` with other flows, another database and another user, on a terminal, and through make."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from tasks.cli.up import reason_for_no_sample
from tests.support.servers import reachable_directory
from tests.support.up_process import QUEUECTL, Up, left_of, until
from tests.workers.processes import ROOT, with_prefix

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
OWN_FLOW = "from tasks import flow\n@flow\ndef own(payload: dict) -> None: ...\n"
CTRL_C_IN_A_FINALISER = """
import os
import signal
import sys

class Finalised:
    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)

if "up" in sys.argv:  # the workers load this module, too
    finalised = Finalised()
    del finalised
"""
WAITING_FOR_A_LOCK = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)
SAMPLE_THAT_FAILS_ONCE = """
from tasks import PermanentError, flow

@flow
def survey_processor(payload: dict) -> None:
    if payload["respondent_id"] == 17 or payload["respondent_id"] > 9000:
        raise PermanentError("[bold]no [/such] respondent\\x1b[2J")
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with reachable_directory() as path:
        yield path


def flows_in(directory: Path, source: str) -> dict[str, str]:
    (directory / "flows_of_ours.py").write_text(source)
    return with_prefix({"FLOW_MODULES": "flows_of_ours"})


def test_a_record_that_does_not_reach_its_end_gives_another_exit_code_and_is_named(directory: Path) -> None:
    up = Up(
        directory / "data", "--once", "--json", cwd=directory,
        environment=flows_in(directory, SAMPLE_THAT_FAILS_ONCE),
    )  # fmt: skip
    assert up.wait() == 1
    summary = json.loads(up.output)
    assert summary["ended_as_expected"] is False
    assert re.fullmatch(r"record \d+ is failed, but should be completed", summary["sample"]["surprises"][0])
    assert len(summary["sample"]["surprises"]) == 1
    assert summary["counts"] == {
        "pending": 0, "processing": 0, "completed": 943, "failed": 9, "cancelled": 0
    }  # fmt: skip
    assert "[bold]no [/such] respondent" in " ".join(group["error_message"] for group in summary["errors"])


def test_own_flows_are_served_without_the_sample(directory: Path) -> None:
    up = Up(directory / "data", "--once", "--json", cwd=directory, environment=flows_in(directory, OWN_FLOW))
    assert up.wait() == 0
    summary = json.loads(up.output)
    assert summary["sample"] is None
    assert summary["counts"]["completed"] == 0
    assert summary["health"]["worker_processes_alive"] == 3
    assert summary["errors"] == []


def test_a_configured_database_is_not_filled_unasked(
    directory: Path, database: DatabaseManager, settings_environment: dict[str, str]
) -> None:
    up = Up(directory, "--once", "--json", environment=settings_environment)
    assert up.wait() == 0
    assert json.loads(up.output)["sample"] is None
    with database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM processing_queue").fetchone() == (0,)
    assert reason_for_no_sample(True, is_loaded=True, is_embedded=False) is None


def test_the_schema_of_the_next_release_is_left_alone(directory: Path, own_database_url: str) -> None:
    with psycopg.connect(own_database_url) as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999_newer'")
    up = Up(directory, "--once", environment={"DATABASE_URL": own_database_url})
    assert up.wait() == 0, up.output
    assert "version 9999_newer, which is newer and serves this release: nothing to do" in up.output
    with psycopg.connect(own_database_url) as connection:
        assert connection.execute("SELECT version_num FROM schema_version").fetchall() == [("9999_newer",)]


def test_the_document_is_written_once_and_before_ctrl_c(directory: Path) -> None:
    up = Up(directory, "--json", "--no-sample")
    until(lambda: up.output.endswith("}\n"), 90)
    assert up.end(signal.SIGINT) == 0
    assert json.loads(up.output)["queue_page"].endswith("/queue")


def test_ctrl_c_is_answered_during_the_start_too(directory: Path) -> None:
    up = Up(directory)
    until(lambda: "Postgres" in up.output, 60)
    assert up.end(signal.SIGINT) == 0
    assert "Running." not in up.output
    assert up.output.index("Stopping …") < up.output.index("Everything has stopped.")


def test_ctrl_c_during_a_statement_cancels_the_statement(directory: Path, empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as rival:
        rival.execute("CREATE TABLE processing_queue ()")  # the first migration waits for this transaction
        up = Up(directory, environment={"DATABASE_URL": empty_database_url})
        with psycopg.connect(empty_database_url, autocommit=True) as observer:
            until(lambda: observer.execute(WAITING_FOR_A_LOCK).fetchone(), 60)
        assert up.end(signal.SIGINT) == 0, up.output
        rival.rollback()
    assert up.output.endswith("Stopping …\nEverything has stopped.\n")
    assert "Error" not in up.output, up.output


def test_ctrl_c_is_answered_even_if_python_drops_its_exception(directory: Path) -> None:
    up = Up(
        directory / "data", cwd=directory, environment=flows_in(directory, CTRL_C_IN_A_FINALISER + OWN_FLOW)
    )
    assert up.wait() == 0
    assert "Exception ignored in" in up.output
    assert up.output.endswith("Stopping …\nEverything has stopped.\n")


def test_a_terminal_sees_a_progress_bar_and_the_password(directory: Path) -> None:
    ours, theirs = pty.openpty()
    command = [QUEUECTL, "up", "--once", "--data-directory", str(directory)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory) as process:
        os.close(theirs)
        output = read_until_closed(ours)
    assert process.returncode == 0, output
    assert re.search(r"records ━+ 952/952", ANSI.sub("", output)), output
    assert "Every record reached its expected end." in output
    password = (directory / "flower-login").read_text().strip().partition(":")[2]
    assert f"password {password}" in output


def read_until_closed(terminal: int) -> str:
    parts: list[bytes] = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # on Linux, this means that the other side is closed
        pass
    os.close(terminal)
    return b"".join(parts).decode()


def test_ctrl_c_stops_everything_through_make_too(directory: Path) -> None:
    environment = Path(sys.prefix)
    if environment.parent != ROOT:
        pytest.skip("this Python is not one that make has set up")
    command = [
        "make",
        "-C",
        str(ROOT),
        "run",
        f"VENV={environment.name}",
        f"ARGS=--data-directory={directory}",
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as lines:
        shown = ""
        while "Ctrl-C stops everything" not in shown:
            line = lines.readline()
            assert line, shown
            shown += line
        family = psutil.Process(process.pid).children(recursive=True)
        assert len(family) > 6
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        rest = lines.read()
    process.wait(30)
    assert left_of(family) == []
    assert rest.index("Stopping …") < rest.index("Everything has stopped.")
    assert "Traceback" not in rest


UNPRIVILEGED = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    # Lets this user read every file, because Python may be installed in root's home. The user has no other right of
    # root.
    "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
)  # fmt: skip


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can become another user"
)
def test_another_user_than_root_can_run_it(directory: Path) -> None:
    os.chown(directory, 65534, 65534)
    up = Up(
        directory / "data", "--once", command=[*UNPRIVILEGED, QUEUECTL, "up"],
        cwd=directory, environment={"HOME": str(directory), "USER": "nobody"},
    )  # fmt: skip
    assert up.wait() == 0, up.output
    assert "Every record reached its expected end." in up.output
    assert (directory / "data/postgres").stat().st_uid == 65534
