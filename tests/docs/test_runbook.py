"""Runs every block of the runbook, on a queue in the state that the page names for the block. The output is as the page
says."""

import contextlib
import io
import os
import re
import shlex
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.hints import CeleryHintSender
from tasks.app import app
from tasks.cli import main
from tasks.monitoring import distributed_system_maintenance
from tasks.monitoring.databases import database_named
from tasks.monitoring.rules import database_rules
from tests.support import filling, troubles
from tests.support.answering_broker import answering_broker
from tests.support.documents import ROOT

GONE = "redis://127.0.0.1:1/0"
TOKEN = re.compile(
    r"<!-- state: (?P<state>\w+) -->|"
    r"^(?P<indent> *)```(?P<language>\w+)(?: exit=(?P<exit>\d))?\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    language: str
    code: str
    exit_code: int
    line: int
    expected: str | None = None


@dataclass
class Scene:
    """A state, and the blocks that are run in it, in order."""

    state: str
    line: int
    blocks: list[Block] = field(default_factory=list)


def after_scheduled_maintenance(database: DatabaseManager) -> None:
    failed_once(database)
    distributed_system_maintenance(reset_failed_records=True, dry_run=False, actor="schedule")


def failed_once(database: DatabaseManager) -> None:
    troubles.healthy(database)
    filling.add_failed(database, 2, retry_count=1)


def many_failures(database: DatabaseManager) -> None:
    troubles.many_failures(database)
    troubles.execute(
        database,
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group)"
        " SELECT id, 0, 1, 'alpha', gen_random_uuid(), 'failed', 'ValueError', 'x', 'ValueError: no such order'"
        " FROM processing_queue WHERE status = 'failed' LIMIT 110",
    )


def alerted(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        cursor.execute("ALTER SEQUENCE alerts_id_seq RESTART")
        found = Finding(
            code="failed_records",
            level="critical",
            message="alpha: 113 failed records.",
            next_step="look",
            flow_name="alpha",
        )
        alerts.update(cursor, [found], ["failed_records"])


def beat_gone(database: DatabaseManager) -> None:
    troubles.healthy(database)
    troubles.execute(database, "UPDATE beats SET heartbeat_at = now() - interval '5 minutes'")


def broker_gone(database: DatabaseManager) -> None:
    troubles.healthy(database)
    app.conf.broker_url = GONE  # `_configured` restores it


def broker_refusing(database: DatabaseManager) -> None:
    """A failover has turned the broker into a replica."""
    troubles.healthy(database)
    broker = REFUSING.enter_context(answering_broker("redis://127.0.0.1:1/0"))
    broker.reply = "READONLY You can't write against a read only replica."
    app.conf.broker_url = broker.url  # `_configured` restores it


def maintenance_late_and_failed(database: DatabaseManager) -> None:
    troubles.healthy(database)
    troubles.execute(
        database,
        "INSERT INTO schedule_occurrences (entry, due_at, state, take_number, error_message) VALUES"
        " ('orphan_cleanup', now() - interval '1 hour', 'due', 0, NULL),"
        " ('retention', now() - interval '2 hours', 'failed', 3, 'DatabaseUnavailableError: gone')",
    )
    troubles.execute(
        database,
        "INSERT INTO maintenance_runs (operation, state, dry_run, actor, finished_at, error_message)"
        " VALUES ('purge_old_records', 'failed', false, 'schedule', now(), 'DatabaseUnavailableError: gone')",
    )


def snapshot_held(database: DatabaseManager) -> None:
    """Leaves a transaction open until a statement of the page ends it."""
    troubles.healthy(database)
    forgotten = psycopg.connect(os.environ["DATABASE_URL"], application_name="monthly report")
    forgotten.execute("SELECT count(*) FROM processing_queue")
    FORGOTTEN.append(forgotten)


def database_gone(_: DatabaseManager) -> None:
    os.environ["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/rpa_db"  # `_configured` restores it


def database_read_only(database: DatabaseManager) -> None:
    """Makes the database read-only, as a provider does when the disk is full. When the blocks for this state have run,
    the database takes writes again."""
    troubles.healthy(database)
    set_read_only("SET default_transaction_read_only = on")
    READ_ONLY.append(os.environ["DATABASE_URL"])


def set_read_only(change: str) -> None:
    url = os.environ["DATABASE_URL"]
    with psycopg.connect(url, options="-c default_transaction_read_only=off", autocommit=True) as session:
        session.execute(f"ALTER DATABASE {session.info.dbname} {change}".encode())
    database_named().dispose()  # sessions keep the default that they began with


def is_there(_: CeleryHintSender) -> bool:
    return app.conf.broker_url != GONE


REFUSING = ExitStack()
READ_ONLY: list[str] = []
FORGOTTEN: list[psycopg.Connection[Any]] = []
STATES = {
    state.__name__: state
    for state in (
        after_scheduled_maintenance,
        failed_once,
        many_failures,
        alerted,
        beat_gone,
        broker_gone,
        broker_refusing,
        maintenance_late_and_failed,
        snapshot_held,
        database_gone,
        database_read_only,
    )
}


def scenes() -> list[Scene]:
    text = (ROOT / "docs/runbook.md").read_text()
    found: list[Scene] = []
    for match in TOKEN.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["state"]:
            found.append(Scene(match["state"], line))
        elif match["language"] == "text":
            found[-1].blocks[-1].expected = textwrap.dedent(match["code"])
        else:
            code = textwrap.dedent(match["code"])
            found[-1].blocks.append(Block(match["language"], code, int(match["exit"] or 0), line))
    return found


@pytest.fixture(autouse=True)
def _configured(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.is_broker_reachable", is_there)
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: True)
    monkeypatch.setattr(app.conf, "broker_url", "redis://here")
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def a_transaction_is_old_soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the runbook's state with a forgotten transaction, each open transaction counts as old at once."""
    held = database_rules.HELD_SNAPSHOT_SECONDS
    monkeypatch.setattr(database_rules, "HELD_SNAPSHOT_SECONDS", OldWithForgotten(held))
    yield
    while FORGOTTEN:
        FORGOTTEN.pop().close()


@pytest.fixture
def undone() -> Iterator[None]:
    yield
    REFUSING.close()
    while READ_ONLY:
        READ_ONLY.pop()
        set_read_only("RESET default_transaction_read_only")


class OldWithForgotten(dict[str, float]):
    def __getitem__(self, level: str) -> float:
        return 0.0 if FORGOTTEN and level == "warning" else super().__getitem__(level)


@pytest.fixture
def beat_is_alive(database: DatabaseManager) -> None:
    troubles.execute(
        database,
        "INSERT INTO beats (beat_id, hostname, pid, heartbeat_at)"
        " VALUES (gen_random_uuid(), 'beat', 1, now() + interval '1 hour')",
    )


@pytest.mark.usefixtures("beat_is_alive", "a_transaction_is_old_soon", "undone")
@pytest.mark.parametrize("scene", scenes(), ids=lambda scene: f"{scene.state}:{scene.line}")
def test_the_blocks_do_what_the_page_says(scene: Scene, database: DatabaseManager) -> None:
    (STATES.get(scene.state) or getattr(troubles, scene.state))(database)
    assert scene.blocks
    for block in scene.blocks:
        output = run(block, database)
        if block.expected is not None:
            assert shows(block.expected, output), f"docs/runbook.md:{block.line} printed:\n{output}"


def run(block: Block, database: DatabaseManager) -> str:
    if block.language == "shell":
        return "".join(run_shell(line, block) for line in block.code.strip().splitlines())
    if block.language == "python":
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, f"docs/runbook.md:{block.line}", "exec"), {})  # noqa: S102
        return printed.getvalue()
    assert block.language == "sql", block.language
    with database.transaction() as cursor:
        cursor.connection.cursor().execute(block.code.encode())  # several statements, as psql takes them
    return ""


def run_shell(line: str, block: Block) -> str:
    program, *arguments = shlex.split(line)
    assert program == "queuectl", line
    result = CliRunner().invoke(main, arguments)
    expected = block.exit_code if is_judging(arguments) else 0
    assert result.exit_code == expected, f"docs/runbook.md:{block.line} {line}\n{result.output}"
    return result.output


def is_judging(arguments: list[str]) -> bool:
    """Whether the command's exit code says what the command found."""
    return arguments[0] in ("check", "doctor", "validate")


def shows(expected: str, output: str) -> bool:
    """`…` stands for any text. If a line is only `…`, it stands for any number of lines."""
    lines = [
        "(?:.*\n)*?.*" if line == "…" else re.escape(line).replace("…", ".*")
        for line in expected.strip().splitlines()
    ]
    pattern = "\n".join(lines)
    return re.fullmatch(pattern, output.strip()) is not None


def test_no_block_is_left_out() -> None:
    text = (ROOT / "docs/runbook.md").read_text()
    fences = [line for line in text.splitlines() if line.strip().startswith("```") and line.strip() != "```"]
    run_blocks = [block for scene in scenes() for block in scene.blocks]
    assert len(fences) == len(run_blocks) + sum(block.expected is not None for block in run_blocks)
