"""A worker or beat that cannot do its work refuses to start, and prints a few lines that say what to do."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from queue_store.database.manager import DatabaseManager
from tasks.app import app
from tasks.background.worker_signals import settings_problems
from tests.support.entry_point import install_with_entry_point
from tests.workers.processes import ROOT, running_worker, wait_until, with_prefix


def start(
    arguments: list[str], environment: dict[str, str], directory: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "celery", "-A", "tasks", *arguments]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_all_wrong_settings_are_named_at_once(program: str, settings_environment: dict[str, str]) -> None:
    environment = settings_environment | with_prefix({"BATCH_SIZ": "5", "LEASE_SECONDS": "soon"})
    del environment["CELERY_BROKER_URL"]
    done = start([program], environment)
    assert done.returncode == 1
    assert "did you mean DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE?" in done.stderr
    assert "DEVELOPMENT_DISTRIBUTED_PROCESSOR_LEASE_SECONDS must be a number, not 'soon'" in done.stderr
    assert "CELERY_BROKER_URL is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unreachable_database_is_named_without_its_password(settings_environment: dict[str, str]) -> None:
    url = "postgresql://someone:sesame@127.0.0.1:1/rpa_db"
    done = start(["worker"], settings_environment | {"DATABASE_URL": url})
    assert done.returncode == 1
    assert "127.0.0.1:1" in done.stderr
    assert "Check that the URL is right, that Postgres runs there" in done.stderr
    assert "sesame" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("amqp://someone:sesame@127.0.0.1//", "must begin with redis:// or rediss://"),
        ("sentinel://someone:sesame@127.0.0.1:26379", "must begin with redis:// or rediss://"),
        ("redis://:sesame@127.0.0.1:99999/0", "the port is not a number from 0 to 65535"),
        ("redis://:sesame@127.0.0.1:soon/0", "the port is not a number from 0 to 65535"),
        ("redis://:sesame@127.0.0.1/first", "the number of a Redis database"),
        ("rediss://:sesame@127.0.0.1/0?ssl_cert_reqs=perhaps", "a parameter that Redis clients do not know"),
    ],
)
def test_a_broker_that_cannot_carry_hints_is_refused_in_one_line(
    url: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.conf, "broker_url", url)
    [line] = [line for line in settings_problems() if line.startswith("CELERY_BROKER_URL")]
    assert problem in line
    assert "sesame" not in line


def test_a_worker_names_a_wrong_broker_and_does_not_start(settings_environment: dict[str, str]) -> None:
    done = start(
        ["worker"], settings_environment | {"CELERY_BROKER_URL": "amqp://someone:sesame@127.0.0.1//"}
    )
    assert done.returncode == 1
    assert "CELERY_BROKER_URL must begin with redis:// or rediss://" in done.stderr
    assert "sesame" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_missing_schema_says_how_to_migrate(
    settings_environment: dict[str, str], empty_database_url: str
) -> None:
    done = start(["worker"], settings_environment | {"DATABASE_URL": empty_database_url})
    assert done.returncode == 1
    assert "run `queuectl migrate`" in done.stderr


def test_a_pool_that_cannot_keep_the_promises_is_refused(settings_environment: dict[str, str]) -> None:
    done = start(["worker", "--pool=threads"], settings_environment)
    assert done.returncode == 1
    assert "use --pool=prefork" in done.stderr


def test_a_module_without_flows_is_named(settings_environment: dict[str, str]) -> None:
    done = start(["worker"], settings_environment | with_prefix({"FLOW_MODULES": "no_such_module"}))
    assert done.returncode == 1
    assert "FLOW_MODULES names no_such_module" in done.stderr


@pytest.mark.parametrize("program", ["worker", "beat"])
def test_a_schema_that_is_too_new_says_what_to_deploy(
    program: str, settings_environment: dict[str, str], own_database_url: str
) -> None:
    with psycopg.connect(own_database_url) as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999'")
        connection.execute("COMMENT ON TABLE schema_version IS NULL")
    done = start([program], settings_environment | {"DATABASE_URL": own_database_url})
    assert done.returncode == 1
    assert "deploy the newer version of processing-queue" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_module_of_flows_is_named_with_its_error(
    settings_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "flows_of_ours.py").write_text("def broken(:")
    environment = settings_environment | {"PYTHONPATH": str(tmp_path)}
    done = start(["worker"], environment | with_prefix({"FLOW_MODULES": "flows_of_ours"}))
    assert done.returncode == 1
    assert "FLOW_MODULES names flows_of_ours, which cannot be imported: SyntaxError" in done.stderr
    assert "Traceback" not in done.stderr


def test_settings_of_another_celery_application_have_no_effect(
    settings_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "celeryconfig.py").write_text("raise SystemExit('the settings of another application')")
    done = start(["report"], settings_environment, tmp_path)
    assert done.returncode == 0
    assert "processing_queue.schedule.scheduler:OccurrenceScheduler" in done.stdout


def test_the_flows_of_an_entry_point_are_served(
    settings_environment: dict[str, str], database: DatabaseManager, tmp_path: Path
) -> None:
    install_with_entry_point(
        tmp_path, "from tasks import flow\n@flow\ndef from_a_package(payload: dict) -> None: ..."
    )
    environment = settings_environment | {"PYTHONPATH": str(tmp_path)}
    log = tmp_path / "worker.log"
    with running_worker(environment, log, concurrency=1, settings={"IDLE_POLL_SECONDS": "0.3"}):
        with database.transaction() as cursor:
            cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('from_a_package')")

        def is_completed() -> bool:
            with database.transaction() as cursor:
                return cursor.execute("SELECT status FROM processing_queue").fetchone() == ("completed",)

        wait_until(is_completed, "the record", log)
