"""Executes a statement of the program with EXPLAIN, and returns how its plan reads the table of records."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import ClientCursor, Cursor

WHOLE_TABLE = "the whole table"


@dataclass(frozen=True, slots=True)
class Reading:
    """How a plan reads records. `most_records`: the largest number of records that one node has read, including those
    that a filter has removed."""

    indexes: frozenset[str]
    most_records: float


def numbered(statement: bytes, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement with $1, $2, … in place of the names of its parameters, and their values in this order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = re.sub(r"%\((\w+)\)s", number, statement.decode())
    return text, [parameters[name] for name in names]


def reading_of_records(
    cursor: Cursor[Any], statement: bytes, parameters: Mapping[str, Any], plan_cache_mode: str
) -> Reading:
    """Executes the statement in the cursor's transaction. The plan is the one that a prepared statement has: with
    force_custom_plan, it is made for these parameters, and with force_generic_plan, it is made without them."""
    text, values = numbered(statement, parameters)
    client = ClientCursor(cursor.connection)
    arguments = client.mogrify(", ".join(["%s"] * len(values)).encode(), values)
    client.execute(f"SET LOCAL plan_cache_mode = {plan_cache_mode}".encode())
    client.execute(f"PREPARE explained AS {text}".encode())
    row = client.execute(
        f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE explained ({arguments})".encode()
    ).fetchone()
    client.execute(b"DEALLOCATE explained")
    assert row is not None
    return reading_of(list(nodes(row[0][0]["Plan"])))


def nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from nodes(child)


def reading_of(plan: list[dict[str, Any]]) -> Reading:
    """A bitmap scan has two nodes: one names the index, and the other one reads the records. The first one also counts
    index entries of dead rows."""
    scans = [
        node
        for node in plan
        if node.get("Relation Name") == "processing_queue" and "Scan" in node["Node Type"]
    ]
    by_bitmap = [node for node in plan if node["Node Type"] == "Bitmap Index Scan"]
    named = [node for node in scans if node["Node Type"] != "Bitmap Heap Scan"] + by_bitmap
    indexes = frozenset(node.get("Index Name", WHOLE_TABLE) for node in named)
    return Reading(indexes, max(map(records_read, scans), default=0))


def records_read(node: dict[str, Any]) -> float:
    removed = sum(node.get(f"Rows Removed by {check}", 0) for check in ("Filter", "Index Recheck"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])
