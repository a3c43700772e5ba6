"""A long repair reports its progress, on the command line and in its row of `maintenance_runs`."""

from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from queue_store import maintenance
from queue_store.maintenance.repair import RECORDS_AT_ONCE
from tasks.cli import main
from tests.support.servers import connect

RECORDS = RECORDS_AT_ONCE + 1


@pytest.fixture
def broken_url(own_database_url: str) -> str:
    """The URL of a database with many failed records that have no error message."""
    with psycopg.connect(own_database_url) as connection:
        connection.execute("ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_state")
        connection.execute(
            "INSERT INTO processing_queue (flow_name, status) SELECT 'alpha', 'failed' FROM generate_series(1, %s)",
            [RECORDS],
        )
    return own_database_url


def test_the_count_grows_with_each_chunk(broken_url: str) -> None:
    told: list[int] = []
    stored: list[int] = []
    database = connect(broken_url)

    def note(count: int) -> None:
        told.append(count)
        with database.transaction() as cursor:
            row = cursor.execute("SELECT affected_count FROM maintenance_runs").fetchone()
        stored.append(row[0] if row else 0)

    with maintenance.begin(database, "repair", dry_run=False, actor="anna", on_progress=note) as run:
        repaired = maintenance.repair(run)
    database.dispose()
    assert told[:2] == [RECORDS_AT_ONCE, RECORDS]
    assert stored == told
    assert sum(repaired.values()) == told[-1] == RECORDS


@pytest.mark.parametrize("options", [["--dry-run"], ["--no-dry-run", "--yes"]])
def test_the_command_reports_it(broken_url: str, monkeypatch: pytest.MonkeyPatch, options: list[str]) -> None:
    monkeypatch.setenv("DATABASE_URL", broken_url)
    monkeypatch.setattr("tasks.cli.frame.PROGRESS_SECONDS", 0)
    result: Any = CliRunner().invoke(main, ["repair", *options])
    assert result.exit_code == 0, result.output
    assert f"repair: {RECORDS:,} rows so far" in result.stderr
