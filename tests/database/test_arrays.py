"""An array parameter arrives in Postgres unchanged, whatever its elements are."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from queue_store.database.arrays import NumberArray, TextArray
from queue_store.database.cursors import OwnCursor

TEXTS = [
    [],
    [""],
    ["", ""],
    ["plain", "with, comma", "with space", " "],
    ['"', '""', "\\", '\\"', '"\\', "\\\\", "{}", "NULL", "null"],
    ["\n", "\t", "ä", "😀", "'", "''", "%s"],
]


@pytest.mark.parametrize("texts", TEXTS)
def test_texts_arrive_unchanged(database_url: str, texts: list[str]) -> None:
    with psycopg.connect(database_url) as connection, OwnCursor(connection) as cursor:
        assert cursor.execute("SELECT %s::text[]", (TextArray(texts),)).fetchone() == (texts,)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))))
def test_any_texts_arrive_unchanged(database_url: str, texts: Any) -> None:
    with psycopg.connect(database_url) as connection, OwnCursor(connection) as cursor:
        assert cursor.execute("SELECT %s::text[]", (TextArray(texts),)).fetchone() == (texts,)


@pytest.mark.parametrize("numbers", [[], [1], [-(2**63), 2**63 - 1]])
def test_numbers_arrive_unchanged(database_url: str, numbers: list[int | float]) -> None:
    with psycopg.connect(database_url) as connection, OwnCursor(connection) as cursor:
        assert cursor.execute("SELECT %s::bigint[]", (NumberArray(numbers),)).fetchone() == (numbers,)
