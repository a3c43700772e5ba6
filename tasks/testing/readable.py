"""Makes rows readable even if their JSON documents contain numbers that Python cannot convert. SQL can store such
numbers."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, cast, type_coerce
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from queue_store.database.any_json import read_json


class _ReadableJson(TypeDecorator[Any]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else read_json(value)


def readable(columns: Iterable[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    """Returns the same columns. A number in a JSON document is read as text if it is an integer of more than 100
    digits, or is too large for a float."""
    return [
        type_coerce(cast(column, Text), _ReadableJson()).label(column.key)
        if isinstance(column.type, JSONB)
        else column
        for column in columns
    ]
