"""Describes everything that `migrate` and `grant_roles` make, as SQL that would make it again. The text is the same
on every version of Postgres, unlike the text that `pg_dump` writes.

`python -m tests.support.described_schema` writes queue_store/migrations/schema.sql.
"""

import re
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Identifier

from queue_store import migrations
from queue_store.database import roles, schema
from queue_store.queue_schema import queue_schema, role_name
from queue_store.setting_fields import PUBLIC
from tests.support.servers import connect, start_postgres

FILE = Path(migrations.__file__).with_name("schema.sql")
HEADER = """\
-- The schema as the migrations and `queuectl grant-roles` make it. To be read: `queuectl migrate` executes the files in
-- versions/, and never this one. `make schema` writes it.
"""
QUERIES = [
    query.split(b"\n", 1) for query in Path(__file__).with_suffix(".sql").read_bytes().split(b"\n\n")[1:]
]
COLUMNS = b"""
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'schema_version'
GROUP BY 1 ORDER BY 1
"""
OWN_TABLE = re.compile(r"\n   FROM \w+ (\w+)\n")
NESTED = re.compile(r"\( SELECT\b|\(|\)|\b\w+\.")


def described(connection: psycopg.Connection[Any]) -> str:
    """The queue's schema as SQL. The text always calls the schema `public`, and names the roles accordingly. Leaves
    out the row and the comment of `schema_version`, which `migrate` writes."""
    name = queue_schema()
    with connection.transaction():
        connection.execute("SELECT set_config('search_path', quote_ident(%s), true)", [name])
        parts = [HEADER]
        for title, query in QUERIES:
            rows = connection.execute(query, {"roles": [role_name(role) for role in roles.ROLES]}).fetchall()
            if rows:
                parts.append(
                    "\n".join([title.decode(), *(_alike(statement) for (statement,) in rows)]) + "\n"
                )
        parts.append("\n".join(["-- Rows", *_rows(connection)]) + "\n")
    return _in_public("\n".join(parts), name)


def _in_public(text: str, name: str) -> str:
    """The text as it would be if the queue were in the schema `public`. Handles names with and without quotes, because
    Postgres quotes only the names that need it."""
    if name == PUBLIC:
        return text
    text = re.sub(rf'"{name}"\.|\b{name}\.(?=\w)', "public.", text)
    text = re.sub(rf'ON SCHEMA ("{name}"|{name})', "ON SCHEMA public", text)
    return text.replace(f"{name}_processing_queue_", "processing_queue_")


def _rows(connection: psycopg.Connection[Any]) -> list[str]:
    statements: list[str] = []
    for table, names in connection.execute(COLUMNS).fetchall():
        values = SQL(", ").join(SQL("quote_nullable({}::text)").format(Identifier(name)) for name in names)
        question = SQL("SELECT concat_ws(', ', {}) FROM {} t ORDER BY t::text").format(
            values, Identifier(table)
        )
        into = f"INSERT INTO {table} ({', '.join(names)})"
        statements += [f"{into} VALUES ({row});" for (row,) in connection.execute(question).fetchall()]
    return statements


def _alike(statement: str) -> str:
    """Makes the text of a view the same for all versions of Postgres. Before Postgres 16, the text
    of a view on one table qualifies each column with that table. Later versions qualify columns only in nested
    selects."""
    own = OWN_TABLE.search(statement)
    if not statement.startswith("CREATE VIEW") or own is None:
        return statement
    selects: list[bool] = []

    def shorten(found: re.Match[str]) -> str:
        part = found.group()
        if part == ")":
            selects.pop()
        elif part.startswith("("):
            selects.append(part != "(")
        elif part == f"{own.group(1)}." and not any(selects):
            return ""
        return part

    return NESTED.sub(shorten, statement)


def main() -> None:
    with start_postgres() as server:
        url = server.direct_url(server.create_database())
        database = connect(url, pgbouncer=False)
        schema.migrate(database.engine)
        roles.grant_roles(database)
        database.dispose()
        with psycopg.connect(url) as connection:
            FILE.write_text(described(connection))


if __name__ == "__main__":
    main()
