"""These tests break each part of the set-up for real. The doctor names that part, and complains about nothing else."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.engine import make_url

from queue_store.database import schema
from queue_store.readings.set_up import read_rights
from tasks.app import app
from tasks.doctor import facts, upkeep
from tasks.embedded.postgres import EmbeddedPostgres
from tasks.monitoring.rules import database_rules
from tests.doctor.conftest import Patient
from tests.security.declared_rights import READ_ONLY, WORKED
from tests.support import filling
from tests.support.pgbouncer import SETTING, running_pgbouncer
from tests.support.servers import connect, reachable_directory

PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"
OWN = "DEVELOPMENT_GLOBAL_RPA_DB_"
BY_STATEMENT: dict[str, tuple[str, str, str, str]] = {
    "a trigger is disabled": (
        "ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions",
        "guards", "problem", "only_known_transitions is missing",
    ),
    "everybody may create objects": (
        "GRANT CREATE ON SCHEMA public TO PUBLIC",
        "roles", "problem", "Every login may create objects",
    ),
    "a role may not read a new table": (
        "REVOKE ALL ON error_hours FROM processing_queue_monitor",
        "roles", "problem", "processing_queue_monitor may not read error_hours",
    ),
    "producers lost a function": (
        "REVOKE EXECUTE ON FUNCTION enqueue_or_explain FROM processing_queue_producer",
        "roles", "problem", "processing_queue_producer may not call enqueue_or_explain",
    ),
    "a table is not vacuumed": (
        "ALTER TABLE processing_queue SET (autovacuum_enabled = off)",
        "autovacuum", "problem", "autovacuum is off for processing_queue",
    ),
    "no beat": ("DELETE FROM beats", "beat", "warning", "has never run"),
    "no beat leads": ("UPDATE beat_leader SET leads_until = now()", "beat", "warning", "No beat leads"),
    "nobody serves the control queue": (
        "UPDATE worker_processes SET celery_queues = '{flows}'",
        "control queue", "warning", "No living worker serves the Celery queue control",
    ),
    "no worker has a flow": (
        "UPDATE worker_processes SET flow_names = '{}'",
        "workers", "warning", "No living worker process serves any flow",
    ),
    "a deploy was not finished": (
        """UPDATE worker_processes SET versions = '{"processing-queue": "0.0.9"}' WHERE hostname = 'worker-2'""",
        "versions", "warning", "processing-queue 0.0.9 on worker-2, 0.1.0 on worker-1",
    ),
    "the pools are used up": (
        "UPDATE worker_processes SET pool_in_use = pool_capacity",
        "connections", "problem", "The worker processes use 12 of 12 connections",
    ),
}  # fmt: skip


def test_a_healthy_fleet_is_all_well(patient: Patient) -> None:
    assert patient.complaints() == {}
    assert len(patient.examine(exit_code=0)) == 17


@pytest.mark.parametrize("trouble", BY_STATEMENT)
def test_a_trouble_in_the_database(trouble: str, patient: Patient) -> None:
    statement, check, level, message = BY_STATEMENT[trouble]
    patient.execute(statement)
    complaints = patient.complaints()
    assert list(complaints) == [check]
    assert complaints[check][0] == level
    assert message in complaints[check][1]
    assert patient.examine()[check]["next_step"]


@pytest.mark.parametrize(
    ("name", "value", "level", "message"),
    [
        (f"{PREFIX}BATCH_SIZE", "many", "problem", "BATCH_SIZE must be a whole number"),
        (f"{PREFIX}BATCHSIZE", "5", "problem", "did you mean"),
        ("PRODUCTION_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "5", "warning", "have no effect: ENVIRONMENT is DEV"),
        (f"{OWN}URL", "postgresql://me:hush@elsewhere/rpa_db", "warning", "DATABASE_URL wins"),
        (f"{PREFIX}CLEANUP_TIMEOUT_HOURS", "0.002", "warning", "records are taken from living runs"),
        (f"{PREFIX}LOCK_TIMEOUT_SECONDS", "700", "warning", "has no effect"),
        (f"{PREFIX}RETENTION_ANY_FAILED_DAYS", "2", "warning", "RETENTION_FAILED_DAYS has no effect"),
    ],
)
def test_a_wrong_or_odd_setting(
    name: str, value: str, level: str, message: str, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    complaints = patient.complaints()
    assert list(complaints) == ["settings"]
    assert complaints["settings"][0] == level
    assert message in complaints["settings"][1]
    assert "hush" not in str(complaints)


@pytest.mark.long
def test_a_pool_of_one(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{OWN}POOL_SIZE", "1")
    monkeypatch.setenv(f"{OWN}MAX_OVERFLOW", "0")
    assert "a worker process needs 2" in patient.complaints()["settings"][1]


@pytest.fixture
def _redis_as_before(patient: Patient) -> Iterator[None]:
    yield
    patient.redis.config_set("maxmemory-policy", "noeviction")
    patient.redis.replicaof("no", "one")


@pytest.mark.usefixtures("_redis_as_before")
def test_a_broker_that_evicts(patient: Patient) -> None:
    patient.redis.config_set("maxmemory-policy", "allkeys-lru")
    assert "maxmemory-policy is allkeys-lru" in patient.complaints()["broker"][1]


@pytest.mark.usefixtures("_redis_as_before")
def test_a_broker_that_is_a_replica(patient: Patient) -> None:
    patient.redis.replicaof("127.0.0.1", 1)
    assert list(patient.complaints().values()) == [
        ("warning", "It is a replica and takes no writes: no hint can be sent.")
    ]


def test_a_short_visibility_timeout(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.conf.broker_transport_options, "visibility_timeout", 60)
    assert "delivered again while workers still process them" in patient.complaints()["broker"][1]


@pytest.mark.parametrize(
    ("url", "message"), [(None, "No broker is named"), ("redis://127.0.0.1:1/0", "does not answer")]
)
def test_no_broker(url: str | None, message: str, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", url)
    complaints = patient.complaints()
    assert list(complaints) == ["broker"]
    assert message in complaints["broker"][1]


def test_a_control_queue_that_is_long(patient: Patient) -> None:
    patient.redis.lpush("control", *["{}"] * 201)
    assert "messages wait in the Celery queue control" in patient.complaints()["control queue"][1]


def test_a_server_that_takes_no_writes(patient: Patient) -> None:
    name = make_url(patient.url).database
    patient.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    assert list(patient.complaints()) == ["database"]
    assert "takes no writes: it is set to read-only" in patient.complaints()["database"][1]


def test_autovacuum_is_off(patient: Patient) -> None:
    try:
        patient.execute("ALTER SYSTEM SET autovacuum = off", "SELECT pg_reload_conf()")
        with psycopg.connect(patient.url) as connection:
            while connection.execute("SHOW autovacuum").fetchone() == ("on",):
                connection.rollback()
        assert patient.complaints() == {
            "autovacuum": ("problem", "autovacuum is off: dead rows stay, and the tables grow.")
        }
    finally:
        patient.execute("ALTER SYSTEM RESET autovacuum", "SELECT pg_reload_conf()")


def test_dead_rows_that_nobody_removes(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "NEGLECTED_SECONDS", 0)
    monkeypatch.setattr(upkeep, "NEGLECTED_DEAD_ROWS", 10)
    filling.add_records(patient.database, 20)
    patient.execute("UPDATE processing_queue SET priority = 4", "SELECT pg_stat_force_next_flush()")
    assert "processing_queue has 20 dead rows" in patient.complaints()["autovacuum"][1]


def test_a_transaction_that_is_held(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(database_rules.HELD_SNAPSHOT_SECONDS, "warning", 0.0)
    with psycopg.connect(patient.url, application_name="monthly report") as forgotten:
        forgotten.execute("SELECT 1")
        assert "monthly report" in patient.complaints()["transactions"][1]
    assert patient.complaints() == {}


def test_a_database_with_few_connections(patient: Patient) -> None:
    name = make_url(patient.url).database
    patient.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 4")
    level, message = patient.complaints()["connections"]
    assert (level, f"the database {name} allows 4" in message) == ("problem", True)


def test_a_fleet_that_is_too_large(patient: Patient) -> None:
    for _ in range(100):
        filling.add_worker_process(patient.database, "alpha", celery_queues=["flows"])
    level, message = patient.complaints()["connections"]
    assert level == "problem"
    assert message.startswith("102 worker processes need 204 connections")


@pytest.mark.parametrize("seconds", [-8.0, -4.0, 4.0, 8.0])
def test_clocks_that_differ(seconds: float, patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    true_time = time.time
    monkeypatch.setattr(facts.time, "time", lambda: true_time() + seconds)
    complaints = patient.complaints()
    if abs(seconds) < 5:
        assert complaints == {}
        return
    direction = "ahead of" if seconds > 0 else "behind"
    assert complaints["clocks"] == (
        "warning",
        f"The clock of this host is {abs(seconds):.0f} s {direction} the database's.",
    )


def test_workers_of_several_logins_that_cannot_rescue_each_other(patient: Patient) -> None:
    patient.execute(
        "DROP ROLE IF EXISTS doctor_one", "DROP ROLE IF EXISTS doctor_two",
        "CREATE ROLE doctor_one LOGIN IN ROLE processing_queue_worker",
        "CREATE ROLE doctor_two LOGIN IN ROLE processing_queue_worker",
    )  # fmt: skip
    with ExitStack() as stack:
        for number, login in enumerate(("doctor_one", "doctor_two")):
            url = make_url(patient.url).set(username=login).render_as_string(hide_password=False)
            stack.enter_context(psycopg.connect(url, application_name=f"processing_queue worker {number}"))
        assert patient.complaints() == {}
        patient.execute("REVOKE pg_signal_backend FROM processing_queue_worker")
        try:
            assert "may not end each other's sessions" in patient.complaints()["roles"][1]
        finally:
            patient.execute("GRANT pg_signal_backend TO processing_queue_worker")
    patient.execute("DROP ROLE doctor_one", "DROP ROLE doctor_two")


def test_a_prepared_transaction(monkeypatch: pytest.MonkeyPatch, patient: Patient) -> None:
    """The test has a server of its own, because max_prepared_transactions must be set when the server starts."""
    monkeypatch.setattr(facts, "PREPARED_SECONDS", 0.0)
    with reachable_directory() as directory:
        server = EmbeddedPostgres(directory, settings={"max_prepared_transactions": "2"})
        server.start()
        try:
            monkeypatch.setenv("DATABASE_URL", server.url())
            manager = connect(server.url())
            schema.migrate(manager.engine)
            manager.dispose()
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("BEGIN")
                connection.execute("UPDATE queue_control SET processing_stopped_at = NULL")
                connection.execute("PREPARE TRANSACTION 'the yearly close'")
                found = patient.examine()["transactions"]
                assert (found["level"], "the yearly close" in found["message"]) == ("problem", True)
                connection.execute("ROLLBACK PREPARED 'the yearly close'")
                assert patient.examine()["transactions"]["level"] == "ok"
        finally:
            server.stop()


def test_a_table_is_looked_at_that_the_roles_were_granted(patient: Patient) -> None:
    patient.execute(
        *[
            f"REVOKE ALL ON {table} FROM processing_queue_admin"
            for table in ("processing_queue", *READ_ONLY, *WORKED)
        ]
    )
    with psycopg.connect(patient.url) as connection:
        missing = " ".join(read_rights(connection.cursor()).missing)
    assert [
        t for t in ("processing_queue", *READ_ONLY, *WORKED) if f"admin may not read {t}" not in missing
    ] == []


def test_a_worker_process_of_another_python_is_named(patient: Patient) -> None:
    filling.add_worker_process(
        patient.database, "alpha", hostname="worker-3", versions=Jsonb({"python": "3.11.2"})
    )
    filling.add_worker_process(
        patient.database, "alpha", hostname="worker-4", versions=Jsonb({"python": "3.13.1"})
    )
    assert "python 3.11.2 on worker-3, 3.13.1 on worker-4" in patient.complaints()["versions"][1]


@pytest.mark.parametrize(
    ("seconds", "level", "said"),
    [
        (10, "ok", "PgBouncer, pool_mode transaction, query_wait_timeout 10 s."),
        (
            120,
            "warning",
            "query_wait_timeout is 120 s (0 means no limit): a statement hangs that long",
        ),
    ],
)
def test_a_pooler(
    seconds: int, level: str, said: str, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        reachable_directory() as directory,
        running_pgbouncer(directory, patient.url, query_wait_timeout=str(seconds)) as pgbouncer,
    ):
        monkeypatch.setenv("DATABASE_URL", pgbouncer.url())
        monkeypatch.setenv(SETTING, "true")
        found = patient.examine()["pooler"]
        assert (found["level"], found["message"][: len(said)]) == (level, said)
        monkeypatch.delenv(SETTING)
        assert f"{SETTING}=true" in patient.examine(exit_code=2)["database"]["message"]
