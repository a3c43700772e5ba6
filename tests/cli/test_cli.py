"""`queuectl`: its output and its exit codes. Commands that only read, or that are called wrongly, change nothing."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from queue_store import DatabaseManager, DistributedProcessor
from tasks.cli import COMMANDS, main
from tests.support.filling import add_failed
from tests.support.flow_rows import register_flow, start_processing

NOBODY = 2**62  # an id that no record has
CSV = "respondent,name\n1,Anna\n2,Ben\n"


class QueueCtl:
    """Runs commands in this process, without a terminal."""

    def __init__(self, database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
        self.database = database
        url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("QUEUECTL_ACTOR", "Olga")
        monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: True)

    def __call__(self, *arguments: object, exit_code: int = 0, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(main, [str(a) for a in arguments], input=stdin)
        assert result.exit_code == exit_code, result.output
        assert "Traceback" not in result.output
        return result

    def json(self, *arguments: object, **options: Any) -> Any:
        return json.loads(self(*arguments, "--json", **options).stdout)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with self.database.transaction() as cursor:
            return cursor.execute(statement.encode()).fetchall()

    @property
    def statuses(self) -> list[str]:
        return [row[0] for row in self.query("SELECT status FROM processing_queue ORDER BY id")]


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    register_flow(database, "survey")
    register_flow(database, "letters")
    return QueueCtl(database, monkeypatch)


@pytest.fixture
def processor(queuectl: QueueCtl) -> DistributedProcessor:
    return DistributedProcessor(queuectl.database)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_each_command_has_a_help_text(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def float_options() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name in sorted(COMMANDS):
        command = main.get_command(click.Context(main), name)
        assert command is not None
        found += [
            (name, option.opts[0])
            for option in command.params
            if isinstance(option.type, click.types.FloatParamType)
        ]
    return found


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e12", "-1", "soon"])
@pytest.mark.parametrize(("command", "option"), float_options())
def test_a_number_that_nothing_can_hold_is_wrong_usage(
    command: str, option: str, value: str, queuectl: QueueCtl, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    needed = {
        "drain": ("survey",),
        "enqueue": (tmp_path / "a.csv", "--flow", "survey"),
        "maintenance": ("--cleanup-orphaned-records",),
    }
    result = queuectl(command, *needed.get(command, ()), f"{option}={value}", exit_code=64)
    assert f"Invalid value for '{option}'" in result.stderr
    assert queuectl.statuses == []


def test_the_number_options_are_found_by_the_test_above() -> None:
    assert ("enqueue", "--delay-seconds") in float_options()
    assert ("failures", "--hours") in float_options()


def test_a_count_that_the_database_cannot_hold_is_wrong_usage(queuectl: QueueCtl) -> None:
    arguments = ("maintenance", "--reset-failed-records", "--max-retries")
    for value in ("0", "2147483648"):
        assert "Invalid value for '--max-retries'" in queuectl(*arguments, value, exit_code=64).stderr


def test_status_counts_each_flow(queuectl: QueueCtl, processor: DistributedProcessor) -> None:
    processor.enqueue_many("survey", [{}, {}, {}])
    add_failed(queuectl.database, 2, "letters")
    found = queuectl.json("status")
    assert {f["flow_name"]: (f["pending"], f["failed"]) for f in found["flows"]} == {
        "survey": (3, 0),
        "letters": (0, 2),
    }
    assert found["total"]["total"] == 5
    assert "survey\t3\t3\t0" in queuectl("status", "--flow", "survey").stdout


def test_show_tells_the_whole_story(queuectl: QueueCtl, processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {"name": "Anna"}, dedup_key="a").id
    details = queuectl.json("show", record_id)
    assert details["record"]["payload"] == {"name": "Anna"}
    assert details["attempts"] == []
    assert details["reasons"]
    text = queuectl("show", record_id).stdout
    assert "dedup_key" in text
    assert "Anna" in text
    assert "there is no record" in queuectl("show", NOBODY, exit_code=1).stderr


def test_texts_in_the_data_cannot_steer_the_terminal(queuectl: QueueCtl) -> None:
    evil = "\x1b]0;owned\x07\x1b[2Jcleared\u202e"
    add_failed(queuectl.database, 1, "survey", error_message=evil)
    ((record_id,),) = queuectl.query("SELECT id FROM processing_queue")
    for arguments in (("show", record_id), ("failures", "--records"), ("failures", "--records", "--json")):
        output = queuectl(*arguments).output
        assert "cleared" in output
        assert not set(output) & {"\x1b", "\x07", "\u202e"}


def test_show_names_the_type_of_an_error_and_where_its_traceback_is(
    queuectl: QueueCtl, processor: DistributedProcessor
) -> None:
    record_id = processor.enqueue("survey", {"article": "cake"}).id
    assert "--tracebacks" not in queuectl("show", record_id).stdout
    with queuectl.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group, traceback)"
            " VALUES (%s, 1, 1, 'survey', gen_random_uuid(), 'retried', 'KeyError', %s, 'g', 'in price_order')",
            (record_id, "'cake'"),
        )
    text = queuectl("show", record_id).stdout
    assert "KeyError\t'cake'" in text
    assert f"`queuectl show {record_id} --tracebacks`" in text
    with_tracebacks = queuectl("show", record_id, "--tracebacks").stdout
    assert "in price_order" in with_tracebacks
    assert "`queuectl show" not in with_tracebacks.partition("attempts that did not succeed")[2]


def test_failures_are_grouped_by_kind(queuectl: QueueCtl) -> None:
    assert "No errors" in queuectl("failures").stdout
    with queuectl.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group)"
            " SELECT g, 1, 1, 'survey', gen_random_uuid(), 'failed', 'ValueError', 'no order ' || g, 'no order'"
            " FROM generate_series(1, 3) g"
        )
    (kind,) = queuectl.json("failures")
    assert (kind["error_count"], kind["error_group"]) == (3, "no order")
    assert queuectl.json("failures", "--flow", "letters") == []
    assert "ValueError: no order " in queuectl("failures").stdout


@pytest.mark.parametrize(
    ("kind", "message", "shown"),
    [("KeyError", "'cake'", "KeyError: 'cake'"), ("Late", "Late: by 3", "Late: by 3")],
)
def test_a_failed_record_is_shown_with_the_type_of_its_error(
    queuectl: QueueCtl, kind: str, message: str, shown: str
) -> None:
    add_failed(queuectl.database, 1, "survey", error_message=message)
    assert queuectl.json("failures", "--records")[0]["exception_type"] is None
    with queuectl.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group)"
            " SELECT id, 1, 1, 'survey', gen_random_uuid(), 'failed', %(kind)s, error_message, 'x'"
            " FROM processing_queue", {"kind": kind},
        )  # fmt: skip
    (record,) = queuectl.json("failures", "--records")
    assert (record["exception_type"], record["error_message"]) == (kind, message)
    assert queuectl("failures", "--records").stdout.splitlines()[1].endswith(f"\t{shown}")


def test_failures_of_a_flow_are_found_behind_more_frequent_ones_of_others(queuectl: QueueCtl) -> None:
    with queuectl.database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group)"
            " SELECT row_number() OVER (), 1, 1, flow, gen_random_uuid(), 'failed', 'ValueError', kind, kind"
            " FROM (VALUES ('survey', 'no order', 3), ('letters', 'no stamp', 1), ('letters', 'no order', 1))"
            " AS e (flow, kind, count), generate_series(1, count)"
        )
    (kind,) = queuectl.json("failures", "--flow", "letters", "--limit", "1")
    assert (kind["error_group"], kind["error_count"], kind["flow_names"]) == ("no order", 1, ["letters"])
    assert len(queuectl.json("failures", "--flow", "letters")) == 2


def test_reset_asks_first_and_leaves_a_trace(queuectl: QueueCtl) -> None:
    add_failed(queuectl.database, 2, "survey", error_message="timeout at host 1")
    add_failed(queuectl.database, 1, "survey")
    assert "pass --yes (or look first with --dry-run)" in queuectl("reset", "--all", exit_code=64).stderr
    assert queuectl.json("reset", "--error", "TIMEOUT", "--dry-run")["found_ids"]
    assert queuectl.statuses == ["failed"] * 3
    assert "2 records reset" in queuectl("reset", "--error", "TIMEOUT", "--yes").stdout
    assert queuectl.statuses == ["pending", "pending", "failed"]
    audit = queuectl.query("SELECT actor, action, affected_count FROM audit_log")
    assert audit == [("Olga", "reset", 2)]


def test_reset_by_id_tells_what_was_not_failed(queuectl: QueueCtl, processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    assert "Skipped" in queuectl("reset", record_id, exit_code=1).stdout
    assert queuectl.json("reset", record_id, exit_code=1)["skipped_ids"] == [record_id]


def test_cancel_ends_pending_records_and_asks_running_ones(
    queuectl: QueueCtl, processor: DistributedProcessor
) -> None:
    pending, running = (processor.enqueue("survey", {}).id for _ in range(2))
    start_processing(queuectl.database, running)
    assert queuectl.json("cancel", "--flow", "survey", "--dry-run")["found_ids"] == [pending, running]
    done = queuectl.json("cancel", "--flow", "survey", "--yes", "--reason", "obsolete")
    assert (done["cancelled_ids"], done["asked_ids"]) == ([pending], [running])
    assert queuectl.statuses == ["cancelled", "processing"]
    assert queuectl.query("SELECT requested_by, reason FROM cancel_requests") == [("Olga", "obsolete")]
    assert "Skipped" in queuectl("cancel", pending, exit_code=1).stdout


def test_pause_and_resume_a_flow(queuectl: QueueCtl) -> None:
    queuectl("pause", "survey", "--reason", "the mail server is down")
    assert "already" in queuectl("pause", "survey").stdout
    status = queuectl("status").stdout
    assert "paused since" in status
    assert "the mail server is down" in status
    assert queuectl.json("resume", "survey")["resumed"] == {"paused": ["survey"]}
    assert queuectl.json("status")["switches"]["stopped"] == []
    assert queuectl("resume", "survey").stdout == "survey: was not paused.\n"


def test_stop_and_resume_everything(queuectl: QueueCtl) -> None:
    assert "pass --yes." in queuectl("stop", "--all", exit_code=64).stderr
    queuectl("stop", "--all", "--yes", "--reason", "fire")
    assert {s["what"] for s in queuectl.json("status")["switches"]["stopped"]} == {
        "processing stopped",
        "ingestion stopped",
    }
    refused = queuectl("enqueue", "-", "--flow", "survey", "--format", "csv", stdin=CSV, exit_code=1)
    assert "ingestion is stopped for all flows: fire" in refused.stderr
    queuectl("resume", "--all")
    queuectl("stop", "survey", "--ingestion")
    assert (
        "flow survey"
        in queuectl("enqueue", "-", "--flow", "survey", "--format", "csv", stdin=CSV, exit_code=1).stderr
    )
    queuectl("enqueue", "-", "--flow", "letters", "--format", "csv", stdin=CSV)
    assert queuectl.json("resume", "survey", "--ingestion")["resumed"] == {"ingestion": ["survey"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ("stop",),
        ("stop", "survey", "--processing"),
        ("resume",),
        ("reset",),
        ("reset", "1", "--all"),
        ("cancel",),
        ("show", "x"),
        ("show", "0"),
        ("enqueue", "-", "--flow", "survey"),
        ("nothing",),
        ("failures", "--hours", "-1"),
    ],
)
def test_wrong_usage_exits_with_64(queuectl: QueueCtl, arguments: tuple[str, ...]) -> None:
    assert "Usage:" in queuectl(*arguments, exit_code=64, stdin="").stderr


@pytest.mark.parametrize("command", ["status", "failures", "pause", "resume", "reset", "cancel"])
def test_an_unknown_flow_is_met_with_what_was_perhaps_meant(queuectl: QueueCtl, command: str) -> None:
    arguments = ("survye",) if command in ("pause", "resume") else ("--flow", "survye")
    assert "did you mean survey?" in queuectl(command, *arguments, exit_code=1).stderr


def test_a_database_that_is_down_exits_with_3(queuectl: QueueCtl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:hidden-word@127.0.0.1:1/rpa_db")
    for command in ("status", "migrate"):
        stderr = queuectl(command, exit_code=3).stderr
        assert "127.0.0.1:1" in stderr
        assert "hidden-word" not in stderr


def test_migrate_shows_what_is_missing_before_it_does_it(
    queuectl: QueueCtl, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    assert "queuectl migrate" in queuectl("status", exit_code=1).stderr
    missing = queuectl.json("migrate", "--dry-run")["migrations"]
    assert missing[0]["version"] == "0001_initial"
    assert all("Locks:" in migration["description"] for migration in missing)
    assert "Nothing was changed" in queuectl("migrate", "--dry-run").stdout
    assert "The schema is at" in queuectl("migrate").stdout
    assert "already" in queuectl("migrate").stdout
    queuectl("status")


def test_settings_that_are_wrong_are_all_named(queuectl: QueueCtl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "many")
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_MAX_RETRYS", "3")
    stderr = queuectl("status", exit_code=1).stderr
    assert "BATCH_SIZE must be a whole number" in stderr
    assert "did you mean DEVELOPMENT_DISTRIBUTED_PROCESSOR_MAX_RETRIES?" in stderr
    monkeypatch.setenv("DATABASE_URL", "mysql://somewhere")
    monkeypatch.setenv("DEVELOPMENT_GLOBAL_RPA_DB_POOL_SIZE", "0")
    lines = queuectl("status", exit_code=1).stderr.splitlines()
    assert lines[0] == "Error: The settings are wrong:"
    assert sorted(line.split()[0].rpartition("_")[2] for line in lines[1:]) == [
        "RETRYS",
        "SIZE",
        "SIZE",
        "URL",
    ]


def test_who_needs_no_database_does_not_miss_its_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`queuectl up` starts a database of its own."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "many")
    result = CliRunner().invoke(main, ["up", "--once", "--data-directory", str(tmp_path)])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[1:] == [
        "  DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE must be a whole number, not 'many'"
    ]


def test_an_environment_that_is_no_word_is_named_once(
    queuectl: QueueCtl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT", "1 x")
    lines = queuectl("status", exit_code=1).stderr.splitlines()
    assert lines[1:] == ["  ENVIRONMENT must be a word such as DEVELOPMENT or PRODUCTION"]


def test_a_command_that_was_misspelt_is_named(queuectl: QueueCtl) -> None:
    assert "No such command 'stauts'; did you mean status?" in queuectl("stauts", exit_code=64).stderr
    assert "did you mean" not in queuectl("nothing-like-it", exit_code=64).stderr


def test_a_reader_that_goes_away_gets_no_traceback(
    queuectl: QueueCtl, processor: DistributedProcessor
) -> None:
    import os
    import subprocess

    processor.enqueue("survey", {"text": "x" * 60_000})
    queuectl_program = Path(sys.executable).with_name("python")
    program = "from tasks.cli import main; main()"
    command = f"{shlex.quote(str(queuectl_program))} -c '{program}' show 1 --json | head -c 1"
    with queuectl.database.transaction() as cursor:
        cursor.execute("UPDATE processing_queue SET id = 1")
    shell = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env={**os.environ}, timeout=60
    )
    assert shell.stdout == "{"
    assert "Traceback" not in shell.stderr
    assert "Error" not in shell.stderr
