"""Each role can do its work, and nothing else."""

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from celery.schedules import crontab
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from queue_store.database import roles, schema
from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.flows import with_work
from queue_store.liveness.rescue import Rescue
from queue_store.queue_schema import role_name
from queue_store.readings.flow_counts import read_flow_counts
from queue_store.readings.integrity import find_violations
from tasks import FlowContext
from tasks.background.heartbeat import FOLD_SECONDS, Heartbeat
from tasks.cli import main
from tasks.schedule.enqueue_due import enqueue_due
from tests.support.flow_runs import Worker
from tests.support.servers import connect
from tests.support.store import Store, completed, failed, ids, store_on

Login = Callable[[str], DatabaseManager]


@pytest.fixture
def login(store: Store, clean_database_url: str) -> Iterator[Login]:
    """Logs in as a new login role that has only the given role."""
    roles.grant_roles(store.database)
    managers: list[DatabaseManager] = []

    def log_in(role: str) -> DatabaseManager:
        name = f"test_{role}"
        store.execute(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        store.execute(f"GRANT {role_name(role)} TO {name}")
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
        assert mine.rescue.sweep().record_count == 0
        assert mine.rescue.sweep_overdue().record_count == 0
        assert mine.rescue.lost([run.worker_process_id]).dead_worker_process_ids == [run.worker_process_id]
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


def test_a_worker_process_needs_no_other_role_beside_its_runs(
    worker: Worker, store: Store, login: Login
) -> None:
    """The role `worker` allows what the heartbeat and the idle poll do: heartbeats, rescue, folding the counts,
    recurring records and progress."""

    def handle(payload: int, context: FlowContext) -> None:
        context.report_progress({"percent": 50})

    flow = worker.declare(handle, name="recurring", schedule=crontab())
    worker.services.database.dispose()
    worker.services.database = login("worker")
    worker.services.rescue = Rescue(worker.services.database, worker.services.settings)
    store.execute("INSERT INTO schedule_occurrences (entry, due_at) VALUES ('flow:recurring', '2026-01-01')")
    store.enqueue(3, flow_name="recurring")
    heartbeat = Heartbeat(worker.services)
    heartbeat.beat()
    assert worker.run(flow).records_completed == 3
    heartbeat.last_fold = -FOLD_SECONDS
    heartbeat.beat()
    assert store.value("SELECT sum(completed) FROM rollup_minutes") == 3
    assert store.value("SELECT count(*) FROM depth_minutes") > 0
    enqueue_due(worker.services.database, [flow], worker.services.settings)
    with worker.services.database.transaction() as cursor:
        assert [waiting.flow_name for waiting in with_work(cursor, [flow.celery_queue])] == ["recurring"]
    assert store.value("SELECT count(*) FROM processing_queue WHERE flow_name = 'recurring'") == 4
    heartbeat.say_stopping()
    worker.services.database.dispose()


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


def test_a_producer_sees_the_records_of_its_own_login_and_no_others(store: Store, login: Login) -> None:
    [foreign] = store.enqueue(1)
    with login("producer").transaction() as cursor:
        cursor.execute("SELECT enqueue_record('sample', '{}')")
        [(own,)] = cursor.fetchall()
        cursor.execute("SELECT id, status FROM own_records(%s)", ([foreign, own],))
        assert cursor.fetchall() == [(own, "pending")]


def test_no_role_reaches_what_is_not_the_queues(store: Store, login: Login) -> None:
    store.execute("CREATE TABLE invoices (amount integer)")
    store.execute("CREATE FUNCTION pay() RETURNS integer LANGUAGE sql AS 'SELECT 1'")
    store.execute("REVOKE ALL ON FUNCTION pay() FROM PUBLIC")
    try:
        roles.grant_roles(store.database)
        for role in ("producer", "worker", "monitor", "admin"):
            database = login(role)
            for statement in (
                "SELECT * FROM invoices",
                "INSERT INTO invoices VALUES (1)",
                "TRUNCATE invoices",
                "SELECT pay()",
            ):
                assert refused(database, statement)
        held = "SELECT grantee::regrole::text FROM pg_class, aclexplode(relacl) WHERE relname = 'invoices'"
        assert "processing_queue" not in str(store.query(held))
    finally:
        store.execute("DROP FUNCTION pay()")
        store.execute("DROP TABLE invoices")


def test_an_admin_adds_to_the_audit_log_and_takes_nothing_young_from_it(store: Store, login: Login) -> None:
    admin = login("admin")
    for age in ("500 days", "1 hour"):
        store.execute(
            "INSERT INTO audit_log (at, actor, action, target, affected_count)"
            " VALUES (now() - %s::interval, 'Olga', 'reset', 'sample', 1)",
            (age,),
        )
    for statement in ("DELETE FROM audit_log", "UPDATE audit_log SET actor = 'Otto'", "TRUNCATE audit_log"):
        assert refused(admin, statement)
    with admin.transaction() as cursor:
        cursor.execute("SELECT purge_audit(interval '0', 100)")
        assert cursor.fetchall() == [(1,)]
    assert store.value("SELECT count(*) FROM audit_log") == 1


MONITORED = (
    *("status", "check", "validate", "status --json", "failures", "report", "capacity", "alerts", "schedule"),
)


def test_the_commands_that_look_work_for_a_monitor(
    store: Store, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enqueue(3)
    as_login(login("monitor"), monkeypatch)
    for command in MONITORED:
        output = invoked(command)
        assert "permission denied" not in output
        assert "sequence_behind" not in output


def test_the_commands_of_operators_work_for_an_admin(
    store: Store, login: Login, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store.enqueue(3)
    as_login(login("admin"), monkeypatch)
    copy = tmp_path / "copy.zip"
    for command in (
        "status",
        "check",
        "validate",
        "pause sample",
        "resume sample",
        "tune sample --batch-size 5",
        "cancel --flow sample --yes",
        "maintenance --cleanup-orphaned-records --reset-failed-records --purge-old-records --no-dry-run --yes",
        "repair --no-dry-run --yes",
    ):
        assert "permission denied" not in invoked(command)
    assert CliRunner().invoke(main, ["backup", str(copy)]).exit_code == 0
    with store.database.transaction() as cursor:
        cursor.execute("TRUNCATE processing_queue, audit_log")
    result = CliRunner().invoke(main, ["restore", str(copy), "--yes"])
    assert result.exit_code == 0, result.output
    assert store.statuses() == {"cancelled": 3}


def invoked(command: str) -> str:
    """The output of a command that succeeds, with or without findings. Asserts that there is no usage error or
    exception."""
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code in (0, 1), (command, result.output)
    assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.output)
    return result.output


def as_login(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    url = database.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: True)


def test_a_session_that_may_not_be_ended_holds_up_nobody_elses_rescue(store: Store, login: Login) -> None:
    """The session of one run belongs to a superuser, so the rescuer may not end it. The rescuer may end the session of
    the other run."""
    expected = store.enqueue(20)
    superusers, other = store.run(), store.run()
    superusers.begin()
    other.begin()
    superusers.held.driver.execute(sql("runs/plan_once"), superusers.parameters)
    for run in (superusers, other):
        store.age(run)
    with store_on(login("worker")) as mine:
        mine.settings = store.settings
        rescued = mine.rescue.sweep()
    assert sorted(rescued.pending_ids) == expected
    assert len(rescued.open_sessions) == 1
    assert store.statuses() == {"pending": 20}


def test_where_functions_are_nobody_s_by_default_the_roles_may_use_ours(empty_database_url: str) -> None:
    manager = connect(empty_database_url)
    with manager.transaction() as cursor:
        cursor.execute("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    schema.migrate(manager.engine)
    roles.grant_roles(manager)
    for role in ("worker", "monitor", "admin"):
        with manager.transaction() as cursor:
            cursor.execute(f"SET LOCAL ROLE {role_name(role)}".encode())
            assert read_flow_counts(cursor) == []
            assert find_violations(cursor, at_a_glance=True) == []
    manager.dispose()
