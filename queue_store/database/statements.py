"""The SQL of this package: one statement per file, named after what it does, with psycopg's `%(name)s` parameters.

Each statement names the schema of every table and function as `public`, which is replaced by the queue's own schema.
So it needs no search_path, and works in any session.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from queue_store.queue_schema import in_queue_schema


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """The name of a statement, as `sql` takes it, with its parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


@cache
def sql(name: str) -> bytes:
    """The statement `queue_store/sql/<name>.sql`, as psycopg takes it. Raises FileNotFoundError and SettingsError."""
    return in_queue_schema(files("queue_store").joinpath("sql", f"{name}.sql").read_bytes())
