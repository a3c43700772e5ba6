"""Records whose `flow_name` is not registered are shown, and can be cancelled or moved to a flow. The counts stay
right."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.errors import RegisteredFlowError, UnknownFlowError
from queue_store.operators.operators import Operators
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.integrity import find_violations
from tasks.cli import main
from tests.support.filling import add_failed, add_flow
from tests.support.recounting import recount

INSERT = "INSERT INTO processing_queue (flow_name, dedup_key) VALUES (%s, %s)"


@pytest.fixture
def operators(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Operators:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv("QUEUECTL_ACTOR", "Olga")
    add_flow(database, "alpha")
    return Operators(database)


def insert(database: DatabaseManager, flow: str, *keys: str | None) -> None:
    with database.transaction() as cursor:
        for key in keys:
            cursor.execute(INSERT, [flow, key])


def counts(database: DatabaseManager) -> dict[str, tuple[int, int, int]]:
    with database.transaction() as cursor:
        return {f.flow_name: (f.total, f.pending, f.failed) for f in read_flow_counts(cursor)}


def queuectl(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert "Traceback" not in result.output
    return result


def query(database: DatabaseManager, statement: str) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(statement.encode()).fetchall()


def test_pending_and_failed_records_are_moved_and_both_counts_are_right(
    operators: Operators, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.operators.unknown_flows.CHUNK_RECORDS", 2)
    database = operators.database
    insert(database, "alhpa", *[None] * 5)
    add_failed(database, 2, "alhpa")
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM flows WHERE flow_name = 'alhpa'")
    insert(database, "alpha", None)
    rollups.fold(database)
    assert counts(database) == {"alhpa": (7, 5, 2), "alpha": (1, 1, 0)}
    done = operators.move("alhpa", "alpha", actor="Olga")
    assert (len(done.pending_ids), len(done.failed_ids), done.skipped_ids) == (5, 2, [])
    for _ in range(2):
        assert counts(database) == {"alpha": (8, 6, 2)}
        rollups.fold(database)
    assert recount(database) == []
    with database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []
    assert query(database, "SELECT count(*) FROM record_attempts WHERE flow_name <> 'alpha'") == [(0,)]
    audited = query(database, "SELECT actor, action, sum(affected_count) FROM audit_log GROUP BY 1, 2")
    assert audited == [("Olga", "move", 7)]


def test_a_record_whose_key_is_taken_stays(operators: Operators) -> None:
    insert(operators.database, "alhpa", "a", "b")
    insert(operators.database, "alpha", "a")
    result = queuectl("move", "alhpa", "alpha", "--yes")
    assert result.exit_code == 1
    assert "Moved to alpha: 1 pending record and 0 failed." in result.stdout
    assert "dedup_key" in result.stdout
    assert counts(operators.database) == {"alhpa": (1, 1, 0), "alpha": (2, 2, 0)}


def test_unknown_names_are_shown_and_can_be_cancelled(operators: Operators) -> None:
    insert(operators.database, "alhpa", None, None)
    shown = queuectl("status", "--flow", "alhpa").stdout
    assert "unknown flow" in shown
    assert "queuectl move alhpa FLOW" in shown
    found = json.loads(queuectl("status", "--json").stdout)["flows"]
    assert {f["flow_name"]: f["is_registered"] for f in found} == {"alhpa": False, "alpha": True}
    explained = queuectl("explain", "--flow", "alhpa").stdout
    assert "alhpa is not a registered flow" in explained
    assert "queuectl cancel --flow alhpa" in explained
    assert queuectl("cancel", "--flow", "alhpa", "--yes").stdout == "2 records cancelled.\n"


def test_a_dry_run_changes_nothing(operators: Operators) -> None:
    insert(operators.database, "alhpa", None)
    result = queuectl("move", "alhpa", "alpha", "--dry-run")
    assert result.stdout == "1 pending and 0 failed records of alhpa would be moved to alpha.\n"
    assert json.loads(queuectl("move", "alhpa", "alpha", "--dry-run", "--json").stdout)["pending"] == 1
    assert counts(operators.database)["alhpa"] == (1, 1, 0)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "error"),
    [
        (["alhpa", "beta"], 1, "no flow 'beta' is registered"),
        (["alhpa", "alhpa"], 1, "no flow 'alhpa' is registered"),
        (["alpha", "alpha"], 1, "alpha is a registered flow"),
        (["gamma", "alpha"], 1, "no flow 'gamma' is registered"),
        (["", "alpha"], 1, "no flow '' is registered"),
        (["a\x00b", "alpha"], 1, "is registered"),
        (["alhpa"], 64, "Missing argument"),
    ],
)
def test_bad_input_is_a_sentence_and_changes_nothing(
    operators: Operators, arguments: list[str], exit_code: int, error: str
) -> None:
    insert(operators.database, "alhpa", None)
    result = queuectl("move", *arguments, "--yes")
    assert result.exit_code == exit_code, result.output
    assert error in result.stderr
    assert counts(operators.database) == {"alhpa": (1, 1, 0), "alpha": (0, 0, 0)}


def test_from_python_too(operators: Operators) -> None:
    with pytest.raises(UnknownFlowError):
        operators.move("alhpa", "alpha", actor="Olga")
    with pytest.raises(RegisteredFlowError):
        operators.move("alpha", "alpha", actor="Olga")
