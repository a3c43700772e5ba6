"""An ordinary login runs a queue in its own schema, although `public` has other tables with the same names."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from queue_store.enqueueing import enqueue
from tasks.cli import main
from tests.own_schema.conftest import OWNER, THEIR_TABLES, environment_of
from tests.support.flower_process import FlowerProcess
from tests.support.schemas import VARIABLE, in_schema

NAME = "billing"
THEIRS = "SELECT (SELECT count(*) FROM public.alerts), (SELECT count(*) FROM public.processing_queue)"
LOOKS = (
    *(
        "status",
        "check",
        "validate",
        "failures",
        "report",
        "capacity",
        "alerts",
        "schedule",
        "tail --times 1",
    ),
    *("show 1", "explain 1", "explain --flow mark", "migrate --dry-run"),
)
CHANGES = (
    *(
        "pause mark",
        "resume mark",
        "tune mark --batch-size 5",
        "stop --all --yes",
        "resume --all",
        "cancel 1",
    ),
    "maintenance --cleanup-orphaned-records --reset-failed-records --purge-old-records --no-dry-run --yes",
    "repair --no-dry-run --yes",
)


@pytest.fixture
def url(owner_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with psycopg.connect(owner_url) as connection:
        connection.execute(THEIR_TABLES)
    for name, value in environment_of(NAME, owner_url, redis_url).items():
        monkeypatch.setenv(name, value)
    with in_schema(NAME):
        yield owner_url


def queuectl(command: str, *arguments: object, fails: bool = False) -> str:
    """Returns the output of the command. The command must fail if `fails` is true. Otherwise its exit code must be 0,
    or 1 for findings. The command must never raise an exception."""
    result = CliRunner().invoke(main, [*command.split(), *map(str, arguments)])
    said = (command, result.exit_code, result.output)
    assert (result.exit_code != 0) if fails else (result.exit_code in (0, 1)), said
    assert isinstance(result.exception, SystemExit | None), said
    assert "does not exist" not in result.output, said
    return result.output


def counts() -> dict[str, Any]:
    return json.loads(queuectl("status --json"))["total"]


def put(url: str) -> None:
    with psycopg.connect(url) as connection:
        enqueue(connection, "mark", {"queue": NAME})


@pytest.fixture
def migrated(url: str) -> str:
    queuectl("migrate")
    queuectl("register")
    return url


def test_commands_look_at_its_own_tables_and_change_them_only(migrated: str) -> None:
    put(migrated)
    for look in LOOKS:
        queuectl(look)
    for change in CHANGES:
        queuectl(change)
    assert counts()["cancelled"] == 1
    with psycopg.connect(migrated) as connection:
        assert connection.execute(THEIRS).fetchone() == (0, 0)


def test_a_backup_can_be_restored_into_another_schema(migrated: str, tmp_path: Path) -> None:
    put(migrated)
    queuectl("backup", tmp_path / "backup.zip")
    with in_schema("another"):
        queuectl("migrate")
        queuectl("restore", tmp_path / "backup.zip", "--yes")
        assert counts()["pending"] == 1


def test_the_page_shows_its_own_records(migrated: str, redis_url: str, tmp_path: Path) -> None:
    put(migrated)
    flower = FlowerProcess(environment_of(NAME, migrated, redis_url), tmp_path / "flower.log")
    try:
        flower.wait()
        answer = flower.ask("/queue/api/overview")
        assert answer.status == 200
        flows = {flow["flow_name"]: flow["pending"] for flow in json.loads(answer.text)["flows"]}
        assert flows["mark"] == 1
        assert flower.ask("/queue").status == 200
    finally:
        flower.stop()


def test_a_wrong_name_is_refused_in_a_sentence(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with in_schema("Billing"):
        monkeypatch.setenv(VARIABLE, "Billing")
        assert f"{VARIABLE} must be the name of a schema" in queuectl("status", fails=True)


def test_who_may_not_create_the_schema_is_told_what_the_owner_of_the_database_runs(
    url: str, empty_database_url: str
) -> None:
    name = make_url(empty_database_url).database
    with psycopg.connect(empty_database_url, autocommit=True) as superuser:
        superuser.execute(f"REVOKE CREATE ON DATABASE {name} FROM {OWNER}".encode())
        wanted = f'CREATE SCHEMA "{NAME}" AUTHORIZATION "{OWNER}"'
        assert wanted in " ".join(queuectl("migrate", fails=True).split())
        superuser.execute(wanted.encode())
    queuectl("migrate")
    assert counts()["total"] == 0
