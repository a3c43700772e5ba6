"""Each role can do its work, and nothing beside it."""

from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy.engine import make_url

from queue_store import roles
from queue_store.database_manager import DatabaseManager
from tests.servers import connect
from tests.store import Store, completed, failed, ids, store_on

Login = Callable[[str], DatabaseManager]


@pytest.fixture
def login(store: Store, clean_database_url: str) -> Iterator[Login]:
    """Logs in as a login role that has been given one of the roles, and nothing else."""
    roles.grant_roles(store.database)
    managers: list[DatabaseManager] = []

    def log_in(role: str) -> DatabaseManager:
        name = f"test_{role}"
        store.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN IN ROLE processing_queue_{role};"
            " EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        manager = connect(make_url(clean_database_url).set(username=name).render_as_string())
        managers.append(manager)
        return manager

    yield log_in
    for manager in managers:
        manager.dispose()


def refused(database: DatabaseManager, statement: str) -> bool:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), database.transaction() as cursor:
        cursor.execute(statement.encode())
    return True


def test_granting_may_be_repeated(store: Store) -> None:
    assert roles.grant_roles(store.database) == roles.grant_roles(store.database)


def test_a_producer_puts_records_in_and_reads_nothing(store: Store, login: Login) -> None:
    producer = login("producer")
    with producer.transaction() as cursor:
        cursor.execute("SELECT enqueue_record('sample', '{\"n\": 1}')")
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('sample')")
    assert store.statuses() == {"pending": 2}
    for statement in (
        "SELECT payload FROM processing_queue",
        "UPDATE processing_queue SET priority = 0",
        "DELETE FROM processing_queue",
        "INSERT INTO processing_queue (flow_name, status, error_message) VALUES ('sample', 'failed', 'x')",
        "INSERT INTO processing_queue (flow_name, claim_number) VALUES ('sample', 5)",
        "SELECT * FROM worker_processes",
        "UPDATE flows SET paused_at = now()",
        "TRUNCATE processing_queue",
    ):
        assert refused(producer, statement)


def test_a_worker_does_all_its_work_and_cannot_change_or_remove_records(store: Store, login: Login) -> None:
    expected = store.enqueue(10)
    worker = login("worker")
    with store_on(worker) as mine:
        run = mine.run_unconfigured()
        batch = run.begin()
        assert ids(batch) == expected
        run.write([*completed(batch[:5]), *failed(batch[5:7]), *failed(batch[7:8], 1)])
        run.release(batch[8:])
        run.end()
        assert mine.rescue.look().record_count == 0
        assert mine.rescue.overdue().record_count == 0
    assert store.statuses() == {"completed": 5, "failed": 2, "pending": 3}
    for statement in (
        "UPDATE processing_queue SET payload = '{}'",
        "UPDATE processing_queue SET flow_name = 'other'",
        "DELETE FROM processing_queue",
        "TRUNCATE processing_queue",
        "DELETE FROM audit_log",
        "UPDATE queue_control SET processing_stopped_at = now()",
        "ALTER TABLE processing_queue DISABLE TRIGGER ALL",
    ):
        assert refused(worker, statement)


def test_a_monitor_reads_everything_but_payloads_and_results(store: Store, login: Login) -> None:
    store.enqueue(3)
    monitor = login("monitor")
    with monitor.transaction() as cursor:
        cursor.execute("SELECT status, error_message FROM processing_queue")
        assert len(cursor.fetchall()) == 3
    for statement in (
        "SELECT payload FROM processing_queue",
        "SELECT result FROM processing_queue",
        "SELECT * FROM processed_surveys",
        "INSERT INTO processing_queue (flow_name) VALUES ('sample')",
        "UPDATE flows SET paused_at = now()",
    ):
        assert refused(monitor, statement)


def test_an_admin_removes_records_but_does_not_change_the_schema(store: Store, login: Login) -> None:
    store.enqueue(3)
    admin = login("admin")
    with admin.transaction() as cursor:
        cursor.execute("DELETE FROM processing_queue")
        assert cursor.rowcount == 3
    assert refused(admin, "ALTER TABLE processing_queue DISABLE TRIGGER ALL")


def test_a_session_that_may_not_be_ended_holds_up_nobody_elses_rescue(store: Store, login: Login) -> None:
    """A run whose session belongs to a superuser, and one that the rescuer may end."""
    expected = store.enqueue(20)
    superusers, other = store.run(), store.run()
    superusers.begin()
    other.begin()
    store.hide_session(other)
    for run in (superusers, other):
        store.age(run)
    with store_on(login("worker")) as mine:
        mine.settings = store.settings
        rescued = mine.rescue.look()
    assert sorted(rescued.pending_ids) == expected
    assert len(rescued.open_sessions) == 1
    assert store.statuses() == {"pending": 20}
