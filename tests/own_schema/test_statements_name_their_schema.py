"""Each of our statements names the schema of every table, function and type, and so works with any search_path. The
exceptions are the statement that gives the roles their rights, and the statements that read tables of other systems."""

import re
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from queue_store.database import statements

ROOT = Path(str(files("queue_store"))) / "sql"
WITH_A_SEARCH_PATH = "maintenance/grant_roles"
OF_OTHERS = "moving_in"  # reads tables of other systems, whose schema the caller names
NAMES = sorted(
    {
        str(path.relative_to(ROOT).with_suffix(""))
        for path in ROOT.rglob("*.sql")
        if path.parent.name != OF_OTHERS
    }
    - {WITH_A_SEARCH_PATH}
)
# Postgres resolves the names in a utility statement only when it executes the statement.
UTILITY = re.compile(r"\s*(COPY|CREATE|DROP|LOCK|TRUNCATE|RESET|SET|DO)\b")
TEMPORARY = {"processing_queue_staging", "kept_audit", "held_claims"}
NAMED = re.compile(r"\b(?:COPY|FROM|TABLE|TRUNCATE|SCHEMA)\s+([a-z_.]+)")
COMMENT = re.compile(r"--[^\n]*\n")


def in_driver_form(statement: str) -> bytes:
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        return f"${numbers.setdefault(found[1] or str(found.start()), len(numbers) + 1)}"

    return re.sub(r"(?<!%)%(?:\((\w+)\))?s", number, statement).replace("%%", "%").encode()


@pytest.mark.parametrize("name", NAMES)
def test_it_is_understood_without_a_search_path(database_url: str, name: str) -> None:
    text = COMMENT.sub("", statements.sql(name).decode())
    if UTILITY.match(text):
        named = NAMED.findall(text)
        assert all(n.startswith(("public", "pg_temp", "pg_catalog")) or n in TEMPORARY for n in named)
        return
    url = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT set_config('search_path', '', false)")
        connection.execute(statements.sql("enqueueing/create_staging"))
        connection.execute(statements.sql("backup/keep_audit"))
        connection.execute(statements.sql("backup/keep_held"))
        for statement in text.split(";\n"):
            result = connection.pgconn.prepare(b"", in_driver_form(statement))
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK, result.error_message.decode()


def test_the_exception_names_its_search_path_first() -> None:
    text = COMMENT.sub("", (ROOT / f"{WITH_A_SEARCH_PATH}.sql").read_text())
    before, after = text.split("PERFORM set_config('search_path', 'public, pg_temp'")
    assert "GRANT" not in before.split("BEGIN\n")[1]
    assert "GRANT" in after
