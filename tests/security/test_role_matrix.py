"""Each role tries every action over a connection of its own, and the outcome is compared with the declared rights.
Until the rights on a new table, column or sequence are declared, only the owner may use it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import pytest
from sqlalchemy.engine import make_url

from queue_store.database import roles, schema
from queue_store.queue_schema import role_name
from tests.security import declared_rights as declared
from tests.security.declared_rights import NOBODY, OWNER
from tests.support.schemas import OPEN_SCHEMA
from tests.support.servers import PostgresServer, connect

VERBS = ("select", "insert", "update", "delete", "truncate", "trigger", "lock")
COLUMNS = """
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum) FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'id_of_the_shop'
GROUP BY 1 ORDER BY 1
"""
FUNCTIONS = """
SELECT p.proname::text, p.prokind::text, p.prorettype = 'trigger'::regtype,
    coalesce((SELECT string_agg(format('NULL::%s', t::regtype), ', ' ORDER BY n)
        FROM unnest(p.proargtypes) WITH ORDINALITY AS arguments(t, n)), '')
FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace ORDER BY 1
"""
SEQUENCES = """
SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'S' ORDER BY 1
"""
OF_A_TABLE = {
    "select": "TABLE {table}",
    "insert": "INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {table} WHERE false",
    "delete": "DELETE FROM {table} WHERE false",
    "truncate": "TRUNCATE {table}",
    "trigger": "CREATE TRIGGER t BEFORE UPDATE ON {table} FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "lock": "LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT",
}
OF_A_COLUMN = {
    "select": "SELECT {column} FROM {table} LIMIT 0",
    "insert": "INSERT INTO {table} ({column}) OVERRIDING SYSTEM VALUE SELECT NULL WHERE false",
    "update": "UPDATE {table} SET {column} = DEFAULT WHERE false",
}
OF_A_SEQUENCE = {
    "usage": "SELECT nextval('{sequence}')",
    "select": "SELECT last_value FROM {sequence}",
    "update": "SELECT setval('{sequence}', 1000000)",
}
RIGHT = re.compile(r"(\w+)(-but)?(?:\(([^)]*)\))?")
PREPARED = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, ingestion_stopped_at)
SELECT name, 'celery', 10, 3, 60, CASE name WHEN 'stopped' THEN now() END
FROM unnest(ARRAY['allowed', 'other', 'stopped']) AS name;
INSERT INTO producer_flows VALUES ('matrix_flow_producer', 'allowed'), ('matrix_flow_producer', 'stopped');
INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('allowed', 'of the shop');
UPDATE processing_queue SET enqueued_by = 'matrix_shop';
CREATE TABLE id_of_the_shop AS SELECT id AS record_id FROM processing_queue;
GRANT SELECT ON id_of_the_shop TO PUBLIC;
"""


@dataclass(frozen=True)
class Cell:
    what: str
    statement: str
    is_allowed: bool
    refusal: str = ""


@dataclass(frozen=True)
class Database:
    """A database whose owner is not a superuser. Every login except the owner has at most one role."""

    url: str
    columns: dict[str, list[str]]
    functions: list[tuple[str, str, bool, str]]
    sequences: list[str]
    has_maintain: bool

    def login(self, role: str) -> psycopg.Connection:
        url = make_url(self.url).set(username=f"matrix_{role}")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    name = postgres_server.create_database()
    url = postgres_server.database_url(name)
    superuser = connect(url)
    with psycopg.connect(url, autocommit=True) as connection:
        for role in (*declared.ROLES, "shop"):
            create_login(connection, f"matrix_{role}")
            if role == OWNER:
                connection.execute(f"ALTER DATABASE {name} OWNER TO matrix_owner".encode())
        as_owner = make_url(url).set(username="matrix_owner").render_as_string()
        owner = connect(as_owner)
        schema.migrate(owner.engine)
        owner.dispose()
        with psycopg.connect(as_owner) as prepared:
            prepared.execute(PREPARED.encode())
        roles.grant_roles(superuser)
        connection.execute(OPEN_SCHEMA)
        for role, granted in declared.GRANTED.items():
            connection.execute(f"GRANT {role_name(granted)} TO matrix_{role}".encode())
        columns = dict(connection.execute(COLUMNS.encode()).fetchall())
        functions = connection.execute(FUNCTIONS.encode()).fetchall()
        sequences = [row[0] for row in connection.execute(SEQUENCES.encode()).fetchall()]
        has_maintain = connection.info.server_version >= 170000
    yield Database(url, columns, functions, sequences, has_maintain)  # type: ignore[arg-type]
    superuser.dispose()
    postgres_server.drop_database(name)


def create_login(connection: psycopg.Connection, name: str) -> None:
    connection.execute(
        f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$".encode()
    )


@pytest.mark.parametrize("role", declared.ROLES)
def test_each_cell_is_as_declared(role: str, database: Database, capsys: pytest.CaptureFixture[str]) -> None:
    cells = list(cells_of(role, database))
    with database.login("shop") as shop, database.login(role) as login:
        shop.execute("SELECT 'a statement of the shop'")
        wrong = [cell for cell in cells if is_allowed(login, cell) is not cell.is_allowed]
    with capsys.disabled():
        print(f"\n{role}: {len(cells)} cells tried, {sum(c.is_allowed for c in cells)} allowed", end=" ")  # noqa: T201
    assert [f"{cell.what}: must {'' if cell.is_allowed else 'not '}be allowed" for cell in wrong] == []


def test_what_is_declared_is_there(database: Database) -> None:
    tables = {table for rights in declared.TABLES.values() for table in rights}
    assert tables <= set(database.columns)
    assert set(declared.FUNCTIONS) <= {name for name, *_ in database.functions}


def is_allowed(login: psycopg.Connection, cell: Cell) -> bool:
    """Tries the statement, and rolls it back. An error other than a refusal shows that the login has the right."""
    login.execute("BEGIN")
    try:
        login.execute(cell.statement.encode())
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.DivisionByZero) as error:
        return cell.refusal not in str(error)
    except psycopg.Error as error:
        return error.sqlstate != "PQ001"
    finally:
        login.execute("ROLLBACK")
    return True


def cells_of(role: str, database: Database) -> Iterator[Cell]:
    for table, columns in database.columns.items():
        rights = rights_on(role, table, database)
        yield from table_cells(table, columns, rights)
    for name, kind, is_trigger, arguments in database.functions:
        yield function_cell(role, name, kind, arguments, is_trigger=is_trigger)
    for sequence in database.sequences:
        yield from sequence_cells(role, sequence)
    for action, (statement, allowed) in declared.ACTIONS.items():
        yield Cell(action, statement, role in allowed)


def rights_on(role: str, table: str, database: Database) -> dict[str, set[str]]:
    """The columns that each verb covers. The name "" stands for the whole table."""
    everything = {"", *database.columns[table]}
    if role == OWNER:
        return dict.fromkeys(VERBS, everything)
    rights: dict[str, set[str]] = {}
    for verb, is_but, named in RIGHT.findall(declared.TABLES[role].get(table, "")):
        those = {name.strip() for name in named.split(",") if name.strip()}
        assert those <= everything, (table, those)
        rights[verb] = everything - those - {""} if is_but else those or everything
    if role in declared.MAINTAINERS and table in declared.MAINTAINED and database.has_maintain:
        rights["lock"] = everything
    if any("" in rights.get(verb, ()) for verb in ("update", "delete", "truncate")):
        rights["lock"] = everything
    return rights


def table_cells(table: str, columns: list[str], rights: dict[str, set[str]]) -> Iterator[Cell]:
    for verb, statement in OF_A_TABLE.items():
        needed = [verb, "select"] if verb == "insert" else [verb]
        filled = statement.format(table=table, columns=", ".join(columns))
        yield Cell(f"{verb} {table}", filled, all("" in rights.get(v, ()) for v in needed))
    for column in columns:
        for verb, statement in OF_A_COLUMN.items():
            filled = statement.format(table=table, column=column)
            yield Cell(f"{verb} {table}.{column}", filled, column in rights.get(verb, ()))


def function_cell(role: str, name: str, kind: str, arguments: str, *, is_trigger: bool) -> Cell:
    statement = (
        "CREATE TEMPORARY TABLE mine (id bigint);"
        f"CREATE TRIGGER t BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION {name}()"
        if is_trigger
        else f"SELECT {name}({arguments})"
    )
    allowed = declared.FUNCTIONS.get(name)
    may = role == OWNER or allowed is None or role in allowed
    # If an error has another text, the login was allowed to call the function, but a statement in the function was
    # refused.
    return Cell(f"call {name}", statement, may, "permission denied for function")


def sequence_cells(role: str, sequence: str) -> Iterator[Cell]:
    for verb, statement in OF_A_SEQUENCE.items():
        allowed = role == OWNER or role in declared.SEQUENCES[verb]
        yield Cell(f"{verb} {sequence}", statement.format(sequence=sequence), allowed)


def test_nobody_has_no_right_at_all() -> None:
    assert declared.TABLES[NOBODY] == {}
    assert all(NOBODY not in allowed for allowed in declared.FUNCTIONS.values())
