"""Each value goes into the field that has the name of its column."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database.rows import row_as, rows_as, the_row_as
from queue_store.database.statements import sql

CALL = re.compile(r'row(?:s)?_as\(\s*cursor\.execute\(\s*sql\("([\w/]+)"\)[^)]*\),\s*(\w+)\s*\)')
PARAMETER = re.compile(rb"%\((\w+)\)s")


@dataclass(frozen=True)
class Pair:
    left: int
    right: int


@pytest.mark.parametrize("columns", ["1 AS left, 2 AS right", "2 AS right, 3 AS other, 1 AS left"])
def test_the_order_of_the_columns_is_free(database: DatabaseManager, columns: str) -> None:
    with database.transaction() as cursor:
        assert rows_as(cursor.execute(f"SELECT {columns}"), Pair) == [Pair(1, 2)]
        assert row_as(cursor.execute(f"SELECT {columns}"), Pair) == Pair(1, 2)
        assert the_row_as(cursor.execute(f"SELECT {columns}"), Pair) == Pair(1, 2)


@pytest.mark.parametrize("columns", ["1 AS left, 2 AS wrong", "1 AS left, 2 AS right, 3 AS right"])
def test_a_field_needs_one_column(database: DatabaseManager, columns: str) -> None:
    with database.transaction() as cursor, pytest.raises(LookupError, match="right"):
        rows_as(cursor.execute(f"SELECT {columns} WHERE false"), Pair)


def test_no_row(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        nothing = "SELECT 1 AS left, 2 AS right WHERE false"
        assert rows_as(cursor.execute(nothing), Pair) == []
        assert row_as(cursor.execute(nothing), Pair) is None
        with pytest.raises(LookupError, match="no row for Pair"):
            the_row_as(cursor.execute(nothing), Pair)


def readings() -> Iterator[tuple[str, type[Any]]]:
    """Finds the calls in queue_store that read a statement's rows into a class. Yields each statement and its class."""
    store = Path(import_module("queue_store").__file__ or "").parent
    for path in sorted(store.rglob("*.py")):
        for statement, kind in CALL.findall(path.read_text()):
            module = import_module(".".join(["queue_store", *path.relative_to(store).with_suffix("").parts]))
            yield statement, getattr(module, kind)


def columns_of(database: DatabaseManager, statement: str) -> list[str]:
    names: list[bytes] = []

    def number(match: re.Match[bytes]) -> bytes:
        if match[1] not in names:
            names.append(match[1])
        return b"$%d" % (names.index(match[1]) + 1)

    text = PARAMETER.sub(number, sql(statement)).replace(b"%%", b"%")
    with database.transaction() as cursor:
        server = cursor.connection.pgconn
        assert not server.prepare(b"", text).error_message
        described = server.describe_prepared(b"")
        return [(described.fname(i) or b"").decode() for i in range(described.nfields)]


def test_statements_return_what_their_classes_need(database: DatabaseManager) -> None:
    found = list(readings())
    assert len(found) > 15
    for statement, kind in found:
        columns = columns_of(database, statement)
        for field in fields(kind):
            assert columns.count(field.name) == 1, (statement, kind, field.name, columns)


# These modules fill fields by position: the module of `rows_as`, the readings that run too often to match columns by
# name, and the code that reads two other queues. Other tests compare the values that these modules read:
# tests/runs/test_claimed_records.py, tests/enqueueing/test_wait_for.py, tests/durable_tasks/test_results.py and
# tests/moving_in.
FILLED_BY_POSITION = {
    *("database/rows.py", "runs/queue_position.py", "waiting.py", "task_states.py"),
    *("moving_in/pgqueuer.py", "moving_in/procrastinate.py"),
}


def test_nothing_else_is_filled_by_position() -> None:
    store = Path(import_module("queue_store").__file__ or "").parent
    found = {str(path.relative_to(store)) for path in store.rglob("*.py") if "(*row" in path.read_text()}
    assert found <= FILLED_BY_POSITION
