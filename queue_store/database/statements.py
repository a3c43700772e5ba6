"""The SQL of this package: one statement per file, named after what it does, with psycopg's `%(name)s` parameters."""

from functools import cache
from importlib.resources import files


@cache
def sql(name: str) -> bytes:
    """The statement `queue_store/sql/<name>.sql`, as psycopg takes it. Raises FileNotFoundError."""
    return files("queue_store").joinpath("sql", f"{name}.sql").read_bytes()
