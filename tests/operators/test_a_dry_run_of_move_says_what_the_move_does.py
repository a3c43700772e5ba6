"""A dry run of `move` says what the same call without --dry-run does, and ends with the same exit code."""

import json

import pytest
from click.testing import CliRunner, Result

from queue_store.database.manager import DatabaseManager
from tasks.cli import main
from tests.support.filling import add_failed, add_flow, add_records
from tests.support.flow_rows import start_processing
from tests.support.page_actions import do, use

PENDING_OF = "SELECT id FROM processing_queue WHERE flow_name = %s AND status = 'pending'"


@pytest.fixture
def names(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> DatabaseManager:
    """`alhpa` has three pending records, two of them with a dedup_key. A failed record of `alhpa` has one of these two
    keys, too."""
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv("QUEUECTL_ACTOR", "Olga")
    add_flow(database, "alpha")
    add_failed(database, 1, "alhpa", dedup_key="a")
    with database.transaction() as cursor:
        cursor.execute("DELETE FROM flows WHERE flow_name = 'alhpa'")
    add_records(database, 1, "alhpa")
    for key in ("a", "b"):
        add_records(database, 1, "alhpa", dedup_key=key)
    return database


def take_the_key(database: DatabaseManager, *, is_processing: bool) -> None:
    add_records(database, 1, "alpha", dedup_key="a")
    if is_processing:
        with database.transaction() as cursor:
            [(record_id,)] = cursor.execute(PENDING_OF, ["alpha"]).fetchall()
        start_processing(database, record_id)


def move(*options: str) -> Result:
    result = CliRunner().invoke(main, ["move", "alhpa", "alpha", *options])
    assert "Traceback" not in result.output
    return result


@pytest.mark.parametrize("is_processing", [False, True])
def test_a_record_whose_key_is_taken_would_stay(names: DatabaseManager, is_processing: bool) -> None:
    take_the_key(names, is_processing=is_processing)
    would = move("--dry-run")
    assert (would.exit_code, would.stdout) == (
        1,
        "2 pending and 1 failed record of alhpa would be moved to alpha.\n"
        "1 record would stay, because unfinished records of alpha have the same dedup_key.\n",
    )
    document = json.loads(move("--dry-run", "--json").stdout)
    assert document == {"is_dry_run": True, "pending": 2, "failed": 1, "skipped": 1}
    done = move("--yes", "--json")
    moved = json.loads(done.stdout)
    assert (done.exit_code, *(len(moved[f"{name}_ids"]) for name in ("pending", "failed", "skipped"))) == (
        1, 2, 1, 1,
    )  # fmt: skip


def test_if_no_key_is_taken_all_would_be_moved(names: DatabaseManager) -> None:
    would = move("--dry-run")
    assert (would.exit_code, would.stdout) == (
        0, "3 pending and 1 failed record of alhpa would be moved to alpha.\n",
    )  # fmt: skip
    assert json.loads(move("--dry-run", "--json").stdout)["skipped"] == 0
    assert move("--yes").exit_code == 0


def test_the_question_before_a_move_names_the_same_numbers(names: DatabaseManager) -> None:
    take_the_key(names, is_processing=False)
    asked = CliRunner().invoke(main, ["move", "alhpa", "alpha"], input="n\n")
    assert "Move 2 pending and 1 failed record of alhpa to alpha?" in asked.output
    assert move("--yes").exit_code == 1


def test_the_page_says_the_same(names: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    use(names, monkeypatch)
    take_the_key(names, is_processing=False)
    would = do("move", flow="alhpa", to_flow="alpha", dry_run=True)
    assert (would["affected"], would["counts"]["skipped"]) == (3, 1)
    assert would["text"] == (
        "2 pending and 1 failed record of alhpa would be moved; "
        "1 stays, because an unfinished record of that flow has its dedup_key."
    )
    done = do("move", flow="alhpa", to_flow="alpha")
    assert (done["affected"], done["counts"]["skipped"]) == (3, 1)
