"""Creates the database on a server of our own, such as an embedded one."""

from typing import Any

from psycopg import Connection
from psycopg.sql import SQL, Identifier


def create_database_if_missing(connection: Connection[Any], name: str) -> None:
    """The connection must be in autocommit mode."""
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(
            SQL("CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0").format(Identifier(name))
        )
