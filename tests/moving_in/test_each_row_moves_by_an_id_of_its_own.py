"""`queuectl import table` changes the status of exactly those rows that became records. The command refuses a table
in which several rows may have the same id, or a row may have no id."""

from contextlib import suppress
from typing import Any

import pytest

from queue_store import DatabaseManager, QueueStoreError
from queue_store.moving_in.moving import move_in
from queue_store.moving_in.status_table import Columns, StatusTable
from tests.moving_in.conftest import SCHEMA, Importing

ROWS = ("table jobs", "--flow", "invoice")


def create(importing: Importing, definition: str, *more: str) -> None:
    for statement in (f"CREATE TABLE {SCHEMA}.jobs ({definition})", *more):
        importing.query(statement)


STATUS = "status text NOT NULL DEFAULT 'pending'"
NOT_UNIQUE = [
    (f"id integer NOT NULL, {STATUS}",),
    (f"id integer UNIQUE, {STATUS}",),
    (f"id integer, tenant integer, {STATUS}, PRIMARY KEY (tenant, id)",),
    (f"id integer, tenant integer, {STATUS}, PRIMARY KEY (id, tenant)",),
    (f"id integer NOT NULL, {STATUS}", f"CREATE UNIQUE INDEX ON {SCHEMA}.jobs (id) WHERE status = 'pending'"),
    (f"id integer NOT NULL, {STATUS}", f"CREATE UNIQUE INDEX ON {SCHEMA}.jobs ((id + 0))"),
    (f"id integer NOT NULL, {STATUS}", f"CREATE INDEX ON {SCHEMA}.jobs (id)"),
]


@pytest.mark.parametrize("definition", NOT_UNIQUE)
def test_an_id_that_need_not_be_unique_is_refused(importing: Importing, definition: tuple[str, ...]) -> None:
    create(importing, *definition)
    result = importing.command(*ROWS, "--dry-run", exit_code=1)
    assert 'the column id of the table "the_other"."jobs" need not identify a row' in result.output
    assert "name another column with --id-column" in result.output


def test_a_view_is_refused(importing: Importing) -> None:
    create(
        importing, f"id integer PRIMARY KEY, {STATUS}", f"CREATE VIEW {SCHEMA}.waiting AS TABLE {SCHEMA}.jobs"
    )
    result = importing.command("table waiting", "--flow", "invoice", "--dry-run", exit_code=1)
    assert '"the_other"."waiting" is not a table' in result.output


@pytest.mark.parametrize(
    "definition",
    [
        (f"id integer NOT NULL, {STATUS}", f"CREATE UNIQUE INDEX ON {SCHEMA}.jobs (id) INCLUDE (status)"),
        (f"id integer PRIMARY KEY, {STATUS}",),
    ],
)
def test_any_complete_unique_index_is_enough(importing: Importing, definition: tuple[str, ...]) -> None:
    create(importing, *definition, "INSERT INTO jobs (id) VALUES (1), (2)")
    assert importing.json(*ROWS, "--batch-size", "1")["total"] == 2


def test_a_partitioned_table_moves_if_its_ids_are_unique(importing: Importing) -> None:
    importing.query(f"CREATE TABLE {SCHEMA}.jobs (id integer PRIMARY KEY, {STATUS}) PARTITION BY RANGE (id)")
    for low in (0, 10):
        importing.query(
            f"CREATE TABLE {SCHEMA}.jobs_{low} PARTITION OF {SCHEMA}.jobs FOR VALUES FROM ({low}) TO ({low + 10})"
        )
    importing.query("INSERT INTO jobs (id) VALUES (1), (11), (2)")
    assert importing.json(*ROWS, "--batch-size", "2")["total"] == 3


@pytest.mark.parametrize(
    "rest", ["source text", "source jsonb, id_of_source integer", 'source text, "tax_%%s" integer']
)
def test_a_column_named_source_is_one_column_of_the_row(importing: Importing, rest: str) -> None:
    create(
        importing,
        f"id integer PRIMARY KEY, {STATUS}, {rest}",
        "INSERT INTO jobs (id, source) VALUES (1, '7')",
    )
    assert importing.json(*ROWS)["total"] == 1
    payload = importing.records()[0][1]
    assert (payload["id"], str(payload["source"])) == (1, "7")


def test_names_may_contain_a_percent_sign(importing: Importing) -> None:
    importing.query('CREATE SCHEMA "x%%y"')
    importing.query(f'CREATE TABLE "x%%y"."50%%done" (id integer PRIMARY KEY, {STATUS})')
    importing.query('INSERT INTO "x%%y"."50%%done" (id) VALUES (1), (2)')
    source = StatusTable("50%done", "invoice", Columns(), ["pending"], "moved", "x%y")
    try:
        assert move_in(importing.database, source, actor="Olga", batch_size=1).total == 2
    finally:
        importing.query('DROP SCHEMA "x%%y" CASCADE')
    assert len(importing.records()) == 2


class Unchecked(StatusTable):
    """Ignores a refusal of the check, as if the constraints had changed after the check."""

    def check(self, cursor: Any) -> None:
        with suppress(QueueStoreError):
            super().check(cursor)


ROWS_THAT_SHARE_AN_ID = [
    "(5, 'pending'), (5, 'pending')",  # the batch contains only the first row
    "(NULL, 'pending')",
]


@pytest.mark.parametrize("rows", ROWS_THAT_SHARE_AN_ID)
def test_a_batch_whose_rows_did_not_all_change_is_rolled_back(
    importing: Importing, database: DatabaseManager, rows: str
) -> None:
    create(importing, "id integer, status text", f"INSERT INTO jobs VALUES {rows}")  # noqa: S608
    source = Unchecked("jobs", "invoice", Columns(), ["pending"], "moved", SCHEMA)
    with pytest.raises(QueueStoreError, match="so this batch was rolled back"):
        move_in(database, source, actor="Olga", batch_size=1)
    assert importing.records() == []
    assert importing.query("SELECT count(*) FROM jobs WHERE status <> 'pending'") == [(0,)]


def test_a_row_that_does_not_wait_keeps_its_status(importing: Importing, database: DatabaseManager) -> None:
    create(
        importing,
        "id integer, status text",
        "INSERT INTO jobs VALUES (5, 'done'), (5, 'pending'), (5, 'running')",
    )
    source = Unchecked("jobs", "invoice", Columns(), ["pending"], "moved", SCHEMA)
    assert move_in(database, source, actor="Olga", batch_size=10).total == 1
    states = importing.query("SELECT status FROM jobs ORDER BY 1")
    assert states == [("done",), ("moved",), ("running",)]


def test_a_trigger_that_keeps_the_status_stops_the_move(importing: Importing) -> None:
    create(
        importing,
        f"id integer PRIMARY KEY, {STATUS}",
        f"CREATE FUNCTION {SCHEMA}.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        f"CREATE TRIGGER keep BEFORE UPDATE ON {SCHEMA}.jobs FOR EACH ROW EXECUTE FUNCTION {SCHEMA}.keep()",
        "INSERT INTO jobs (id) VALUES (1)",
    )
    assert "so this batch was rolled back" in importing.command(*ROWS, "--yes", exit_code=1).output
    assert importing.records() == []
