"""Migrations make the same tables, rules, functions and rights in every schema, and leave the others as they were."""

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.own_schema.conftest import THEIR_TABLES
from tests.support.schemas import create_queue
from tests.support.servers import connect

NAME = "user"  # which must be quoted: Postgres keeps this word for itself
LOOKS = (
    """
    SELECT c.relname::text, c.relkind::text, c.reloptions, c.relacl::text, CASE c.relkind
        WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid) END,
        obj_description(c.oid, 'pg_class')
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace ORDER BY 2, 1
    """,
    """
    SELECT a.attrelid::regclass::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attidentity::text, a.attacl::text, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0
    ORDER BY c.relname, a.attnum
    """,
    """
    SELECT coalesce(conrelid::regclass::text, contypid::regtype::text), conname::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2
    """,
    """
    SELECT pg_get_triggerdef(t.oid), t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY 1
    """,
    """
    SELECT p.oid::regprocedure::text, p.proacl::text, p.proconfig,
        CASE p.prokind WHEN 'f' THEN pg_get_functiondef(p.oid) ELSE a.aggtransfn::regproc::text END
    FROM pg_proc p LEFT JOIN pg_aggregate a ON a.aggfnoid = p.oid
    WHERE p.pronamespace = current_schema()::regnamespace ORDER BY 1
    """,
)
EVERYTHING_IN_PUBLIC = (
    "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1"
)


def described(url: str, schema: str) -> list[str]:
    """Every object of the schema, in words, as if it were in `public`."""
    with psycopg.connect(
        make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    ) as one:
        one.execute("SELECT set_config('search_path', quote_ident(%s), false)", [schema])
        lines = ["\t".join(map(str, row)) for look in LOOKS for row in one.execute(look.encode()).fetchall()]
    roles = f"{schema}_processing_queue_"
    return [line.replace(f'"{schema}".', "public.").replace(roles, "processing_queue_") for line in lines]


@pytest.fixture
def url(empty_database_url: str) -> str:
    database = connect(empty_database_url)
    create_queue(database, "public")
    create_queue(database, NAME)
    database.dispose()
    return empty_database_url


def test_another_schema_has_the_same_in_it(url: str) -> None:
    in_public = described(url, "public")
    assert len(in_public) > 400
    assert described(url, NAME) == in_public


def test_nothing_is_made_in_public_beside_tables_of_others(empty_database_url: str) -> None:
    database = connect(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(THEIR_TABLES)
        before = connection.execute(EVERYTHING_IN_PUBLIC).fetchall()
        create_queue(database, NAME)
        create_queue(database, NAME)  # nothing to do
        assert connection.execute(EVERYTHING_IN_PUBLIC).fetchall() == before
        assert connection.execute("SELECT version FROM public.schema_version").fetchall() == [("theirs",)]
    database.dispose()
