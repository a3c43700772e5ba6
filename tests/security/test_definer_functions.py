"""Functions with the owner's rights serve only the queue's own tables. These functions call nothing that other logins
have created."""

from collections.abc import Iterator

import psycopg
import pytest

from queue_store.database import roles
from queue_store.errors import QueueStoreError
from tests.security.logins import Logins, value
from tests.support.schemas import TEST_SCHEMA
from tests.support.servers import connect
from tests.support.store import Store, completed, store_on

DEFINERS = """
SELECT p.oid::regprocedure::text, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE')
FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace AND p.prosecdef
"""
EVIDENCE = """
SELECT (SELECT count(*) FROM record_attempts), (SELECT count(*) FROM rollup_deltas),
    (SELECT count(*) FROM rollup_totals), (SELECT count(*) FROM cancel_requests), (SELECT count(*) FROM audit_log),
    (SELECT count(*) FROM rollup_overall)
"""
A_TRIGGER_OF_OURS = {
    "account_for_insert": "AFTER INSERT ON mine REFERENCING NEW TABLE AS inserted",
    "account_for_delete": "AFTER DELETE ON mine REFERENCING OLD TABLE AS deleted",
    "account_for_truncate": "AFTER TRUNCATE ON mine",
    "seal_audit": "BEFORE INSERT ON mine",
    "sum_minutes": "AFTER INSERT ON mine REFERENCING NEW TABLE AS inserted",
}


def test_none_can_be_executed_by_everybody_and_each_has_a_path_that_nobody_can_write_to(store: Store) -> None:
    found = store.query(DEFINERS)
    assert len(found) >= 14
    for name, settings, is_public in found:
        assert not is_public, name
        assert settings == ["search_path=pg_catalog, pg_temp"], name


@pytest.mark.parametrize("function", A_TRIGGER_OF_OURS)
def test_a_login_without_a_role_cannot_make_a_trigger_of_them(logins: Logins, function: str) -> None:
    nobody = logins.nobody()
    nobody.execute("CREATE TEMPORARY TABLE mine (id bigint, flow_name text, status text)")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        nobody.execute(
            f"CREATE TRIGGER t {A_TRIGGER_OF_OURS[function]} FOR EACH STATEMENT"
            f" EXECUTE FUNCTION {function}()".encode()
        )


@pytest.mark.parametrize("function", A_TRIGGER_OF_OURS)
def test_a_trigger_of_theirs_on_another_table_does_nothing(store: Store, function: str) -> None:
    """The owner, for example, can create a trigger that calls one of these functions. Every login that may write to the
    trigger's table can then fire the trigger."""
    run = store.run() if store.enqueue(3) else None
    assert run is not None
    run.write(completed(run.begin()))
    before = store.query(EVIDENCE)
    driver = store.held().driver
    driver.execute("CREATE TABLE mine (id bigint, flow_name text, status text)")
    driver.execute(
        f"CREATE TRIGGER t {A_TRIGGER_OF_OURS[function]} FOR EACH STATEMENT"
        f" EXECUTE FUNCTION {function}()".encode()
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="belongs to the tables of the queue"):
        driver.execute("INSERT INTO mine VALUES (1, 'sample', 'pending'); DELETE FROM mine; TRUNCATE mine")
    driver.rollback()
    assert store.query(EVIDENCE) == before


@pytest.fixture
def own_logins(own_database_url: str) -> Iterator[Logins]:
    database = connect(own_database_url)
    with store_on(database) as store:
        store.add_flow()
        roles.grant_roles(database)
        logins = Logins(store, own_database_url)
        yield logins
        logins.close()
        store.execute("DROP OWNED BY test_schemer")
    database.dispose()


def test_an_operator_or_a_function_of_a_producer_is_not_called(own_logins: Logins) -> None:
    """In a database that was upgraded from Postgres 14, every login may create objects in the schema `public`."""
    own_logins.store.execute(f"GRANT CREATE ON SCHEMA {TEST_SCHEMA} TO PUBLIC")
    producer = own_logins.connect("test_schemer", "producer")
    producer.execute(
        "CREATE FUNCTION take(flow_name, text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'ran as %', current_user; END $$"
    )
    producer.execute("CREATE OPERATOR = (LEFTARG = flow_name, RIGHTARG = text, FUNCTION = take)")
    producer.execute(f"SET search_path = {TEST_SCHEMA}, pg_catalog")
    with pytest.raises(psycopg.errors.RaiseException, match="ran as"):
        producer.execute("SELECT 'sample'::flow_name = 'sample'::text")  # uses the producer's operator
    for on_duplicate in ("raise", "skip", "replace"):
        statement = "SELECT enqueue_record('sample', '{}', dedup_key => 'a', on_duplicate => %s)"
        assert value(producer, statement, (on_duplicate,)) is not None
    producer.execute("INSERT INTO processing_queue (flow_name) VALUES ('sample')")
    producer.execute("SELECT * FROM own_records('{1}'), known_flows()")
    producer.execute("SELECT * FROM cancel_own_records('{1}')")


def test_roles_are_not_granted_where_every_login_may_create_objects(own_database_url: str) -> None:
    database = connect(own_database_url)
    with database.transaction() as cursor:
        cursor.execute(f"GRANT CREATE ON SCHEMA {TEST_SCHEMA} TO PUBLIC")
    with pytest.raises(QueueStoreError, match=f'REVOKE CREATE ON SCHEMA "?{TEST_SCHEMA}"? FROM PUBLIC'):
        roles.grant_roles(database)
    database.dispose()


def test_granting_the_roles_takes_back_what_a_dump_without_privileges_gave_to_everybody(
    own_database_url: str,
) -> None:
    database = connect(own_database_url)
    with database.transaction() as cursor:
        cursor.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {TEST_SCHEMA} TO PUBLIC")
    roles.grant_roles(database)
    with database.transaction() as cursor:
        assert [row[0] for row in cursor.execute(DEFINERS.encode()).fetchall() if row[2]] == []
    database.dispose()
