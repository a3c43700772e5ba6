"""A status table moves in batches by the values of its id, whatever the type of the id. A type that the import cannot
use is refused before the first batch, in a dry run, too, and the message names the column and its type."""

import pytest

from tests.moving_in.conftest import SCHEMA, Importing

ROWS = ("table jobs", "--flow", "invoice")
OF_THE_OTHER = [
    f"CREATE TYPE {SCHEMA}.pair AS (a integer, b text)",
    f"CREATE TYPE {SCHEMA}.colour AS ENUM ('red', 'green', 'blue')",
    f"CREATE DOMAIN {SCHEMA}.positive AS integer CHECK (VALUE > 0)",
    f"CREATE DOMAIN {SCHEMA}.document AS jsonb",
    f"CREATE DOMAIN {SCHEMA}.amount AS money",
    f"CREATE DOMAIN {SCHEMA}.numbers AS integer[]",
]
MOVED = {
    "jsonb": ["1", '"a"', "null", '{"a": 1}', "[1, 2]", "true"],
    "money": ["1.50", "-2", "1234567.89"],
    "document": ["1", '"a"', "{}"],
    "amount": ["1.50", "-2", "1234567.89"],
    "pair": ["(1,a)", '(1,"b,c")', "(2,)"],
    "colour": ["blue", "red", "green"],
    "positive": ["1", "2", "3"],
    "bigint": ["-1", "9223372036854775807", "5"],
    "smallint": ["-1", "5", "3"],
    "oid": ["1", "4294967295", "7"],
    "real": ["0.1", "0.2", "16777217", "NaN", "Infinity"],
    "double precision": ["0.1", "0.30000000000000004", "NaN", "-Infinity"],
    "numeric": ["0.1", "1e40", "NaN", "1.00000000000000000001"],
    "boolean": ["true", "false"],
    "text": ["a", "", "{x,y}", 'quoted "\\'],
    "char(3)": ["a", "ab", "abc"],
    '"char"': ["a", "b", "c"],
    "name": ["a", "b", "c"],
    "bytea": ["\\x00", "\\xff", "\\x"],
    "bit(3)": ["101", "111", "010"],
    "bit varying": ["1", "10", "111"],
    "uuid": ["00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000001"],
    "inet": ["10.0.0.1", "10.0.0.0/8", "::1"],
    "cidr": ["10.0.0.0/8", "::/0"],
    "macaddr": ["08:00:2b:01:02:03", "08:00:2b:01:02:04"],
    "pg_lsn": ["0/1", "1/0"],
    "xid8": ["1", "2"],
    "tid": ["(0,1)", "(1,1)"],
    "tsvector": ["a b", "c"],
    "int4range": ["[1,3)", "empty", "[2,)"],
    "tstzrange": ['["2026-01-02 03:04:05.678901+00",)', "empty"],
    "int4multirange": ["{[1,3)}", "{}"],
    "date": ["2026-01-02", "infinity"],
    "timestamptz": ["2026-01-02 03:04:05.678901+00", "-infinity"],
    "interval": ["1 day", "-2 hours", "1 mon"],
}
REFUSED = {
    "the_other.numbers": "the_other.numbers",
    "integer[]": "integer[]",
    "text[]": "text[]",
    "oidvector": "oidvector",
}


@pytest.fixture
def jobs(importing: Importing) -> Importing:
    for statement in OF_THE_OTHER:
        importing.query(statement)
    return importing


def create(jobs: Importing, id_type: str) -> None:
    jobs.query(
        f"CREATE TABLE {SCHEMA}.jobs (key {id_type} PRIMARY KEY, number integer NOT NULL DEFAULT 7,"
        " status text NOT NULL DEFAULT 'pending')"
    )


@pytest.mark.parametrize("id_type", MOVED)
def test_each_row_moves_once(jobs: Importing, id_type: str) -> None:
    create(jobs, id_type)
    for value in MOVED[id_type]:
        jobs.query(f"INSERT INTO jobs (key) VALUES (%s::{id_type})", value)  # noqa: S608
    words = (*ROWS, "--id-column", "key", "--columns", "number", "--batch-size", "1")
    would, done = jobs.json(*words, "--dry-run"), jobs.json(*words)
    assert would["total"] == done["total"] == len(MOVED[id_type])
    assert jobs.query("SELECT DISTINCT status FROM jobs") == [("moved",)]
    assert len(jobs.records()) == len(MOVED[id_type])


@pytest.mark.parametrize("id_type", REFUSED)
def test_an_id_that_is_an_array_is_refused(jobs: Importing, id_type: str) -> None:
    create(jobs, id_type)
    for option in ("--dry-run", "--yes"):
        said = jobs.command(*ROWS, "--id-column", "key", option, exit_code=1).output
        assert f'the column key of the table "the_other"."jobs" has the type {REFUSED[id_type]}' in said
        assert "--id-column" in said


def test_a_value_that_its_domain_no_longer_accepts_moves(jobs: Importing) -> None:
    create(jobs, "positive")
    jobs.query("INSERT INTO jobs (key) VALUES (1), (2)")
    jobs.query(f"ALTER DOMAIN {SCHEMA}.positive ADD CHECK (VALUE > 5) NOT VALID")
    words = (*ROWS, "--id-column", "key", "--columns", "number", "--batch-size", "1")
    assert jobs.json(*words)["total"] == 2


def test_the_ids_of_rows_that_stay_are_numbers_as_before(jobs: Importing) -> None:
    create(jobs, "bigint")
    jobs.query("INSERT INTO jobs (key) VALUES (1), (2)")
    words = (*ROWS, "--id-column", "key", "--payload", "status")
    assert [left["ids"] for left in jobs.json(*words, exit_code=1)["left"]] == [[1, 2]]
