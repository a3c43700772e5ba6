"""Arrays of numbers, texts and instants as parameters of statements.

psycopg writes lists element by element in Python. psycopg also chooses the array's type by the largest element, so it
prepares one statement several times, once for each type. The arrays of this module are written as a whole, and the
statement's own cast decides their type.
"""

from collections.abc import Iterable

import orjson
import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper


class NumberArray(list[int | float]):
    """An array for `%(name)s::bigint[]` and similar types, without NULL elements."""


class TextArray(list[str]):
    """An array for `%(name)s::text[]`, `%(name)s::timestamptz[]` and similar types, without NULL elements."""


class _NumberArrayDumper(Dumper):
    def dump(self, obj: Iterable[int | float]) -> Buffer:
        return b"{%b}" % orjson.dumps(obj)[1:-1]


class _TextArrayDumper(Dumper):
    def dump(self, obj: Iterable[str]) -> Buffer:
        elements = list(obj)
        text = "".join(elements)
        if '"' in text or "\\" in text:
            elements = [element.replace("\\", r"\\").replace('"', r"\"") for element in elements]
        quoted = '","'.join(elements)
        return f'{{"{quoted}"}}'.encode() if elements else b"{}"


def register_dumpers(adapters: AdaptersMap) -> None:
    adapters.register_dumper(NumberArray, _NumberArrayDumper)
    adapters.register_dumper(TextArray, _TextArrayDumper)


register_dumpers(psycopg.adapters)
