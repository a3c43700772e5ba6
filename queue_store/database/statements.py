"""The SQL of this package: one statement per file, named after what it does, with psycopg's `%(name)s` parameters.

In these files, the schema of every table and function is `public`. `sql` replaces this name with the name of the
queue's own schema. So a statement needs no search_path, and works in any session.
"""

from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from queue_store.queue_schema import in_queue_schema


@dataclass(frozen=True, slots=True)
class NamedStatement:
    """The name of a statement (the argument of `sql`), and the statement's parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


@cache
def sql(name: str) -> bytes:
    """The statement in `queue_store/sql/<name>.sql`, with the queue's own schema. Raises FileNotFoundError if there is
    no such file, and SettingsError if the settings name no valid schema."""
    return in_queue_schema(files("queue_store").joinpath("sql", f"{name}.sql").read_bytes())
