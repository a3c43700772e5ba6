"""If `queuectl recover` is interrupted, it names what it has stopped and not resumed, and the command that resumes
exactly that. If it has stopped nothing, it names nothing."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.operators.operators import Operators
from tasks.cli import main

SWITCHES = "SELECT ingestion_stopped_at IS NOT NULL, processing_stopped_at IS NOT NULL FROM queue_control"
BREAK = """
CREATE FUNCTION break_connection() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NULL; END'
"""
STOPS = (
    "AFTER UPDATE ON queue_control {when} FOR EACH ROW WHEN (OLD.{what} IS NULL AND NEW.{what} IS NOT NULL)"
)
RESUMES = (
    "AFTER UPDATE ON queue_control {when} FOR EACH ROW WHEN (OLD.{what} IS NOT NULL AND NEW.{what} IS NULL)"
)
REPAIR = "AFTER INSERT ON maintenance_runs {when} FOR EACH ROW"
INGESTION, PROCESSING = "ingestion_stopped_at", "processing_stopped_at"
LEFT = {
    "nothing": ("", (False, False)),
    "ingestion": (
        "5. Not resumed: solve the problem first, then call queuectl resume --ingestion. Ingestion is stopped.",
        (True, False),
    ),
    "processing": (
        "5. Not resumed: solve the problem first, then call queuectl resume --processing. Processing is stopped.",
        (False, True),
    ),
    "both": (
        "5. Not resumed: solve the problem first, then call queuectl resume --all. "
        "Ingestion and processing are stopped.",
        (True, True),
    ),
}
BROKEN = [
    (STOPS, INGESTION, "nothing"),
    (STOPS, PROCESSING, "ingestion"),
    (REPAIR, "", "both"),
    (RESUMES, INGESTION, "both"),
    (RESUMES, PROCESSING, "processing"),
]
UNKNOWN = [
    (REPAIR, "", "queuectl resume --all. Ingestion and processing are stopped."),
    (STOPS, INGESTION, "queuectl resume --ingestion. Perhaps ingestion is stopped."),
    (STOPS, PROCESSING, "queuectl resume --all. Perhaps ingestion and processing are stopped."),
    (RESUMES, INGESTION, "queuectl resume --all. Perhaps ingestion and processing are stopped."),
    (RESUMES, PROCESSING, "queuectl resume --processing. Perhaps processing is stopped."),
]


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)


@contextmanager
def breaking(database: DatabaseManager, when: str, what: str, *, at_commit: bool = False) -> Generator[None]:
    """While this context lasts, a transaction that makes the change described by `when` and `what` loses its
    connection."""
    kind = "CONSTRAINT TRIGGER" if at_commit else "TRIGGER"
    deferred = "DEFERRABLE INITIALLY DEFERRED" if at_commit else ""
    changes = when.format(what=what, when=deferred)
    with database.transaction() as cursor:
        cursor.execute(BREAK)
        cursor.execute(
            f"CREATE {kind} break_connection {changes} EXECUTE FUNCTION break_connection()".encode()
        )
    try:
        yield
    finally:
        with database.transaction() as cursor:
            cursor.execute("DROP FUNCTION break_connection CASCADE")


def recover(directory: Path, exit_code: int = 3) -> str:
    words = ["recover", "--backup", str(directory / "a.zip"), "--wait-seconds", "0", "--yes"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == exit_code, result.output
    return result.stderr


def switches(database: DatabaseManager) -> tuple[bool, ...] | None:
    with database.transaction() as cursor:
        return cursor.execute(SWITCHES).fetchone()


@pytest.mark.parametrize(("when", "what", "left"), BROKEN)
def test_the_connection_breaks(
    database: DatabaseManager, tmp_path: Path, when: str, what: str, left: str
) -> None:
    with breaking(database, when, what):
        said = recover(tmp_path)
    expected, stopped = LEFT[left]
    assert [line for line in said.splitlines() if "resume" in line] == ([expected] if expected else [])
    assert switches(database) == stopped


@pytest.mark.parametrize(("when", "what", "expected"), UNKNOWN)
def test_the_connection_breaks_during_a_commit(
    database: DatabaseManager, tmp_path: Path, when: str, what: str, expected: str
) -> None:
    with breaking(database, when, what, at_commit=True):
        said = recover(tmp_path)
    assert [line for line in said.splitlines() if "resume" in line] == [
        f"5. Not resumed: solve the problem first, then call {expected}"
    ]


def test_what_an_operator_had_stopped_is_not_named(database: DatabaseManager, tmp_path: Path) -> None:
    Operators(database).stop_ingestion(None, actor="anna", reason="INC-17")
    with breaking(database, REPAIR, ""):
        assert LEFT["processing"][0] in recover(tmp_path).splitlines()


def test_a_recovery_that_stopped_nothing_names_nothing(database: DatabaseManager, tmp_path: Path) -> None:
    operators = Operators(database)
    operators.stop_ingestion(None, actor="anna")
    operators.stop_processing(actor="anna")
    with breaking(database, REPAIR, ""):
        assert "resume" not in recover(tmp_path)
