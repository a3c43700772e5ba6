"""The output, the exit codes and the required rights of `queuectl doctor`, which changes nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy.engine import make_url

from tasks.cli import main
from tasks.doctor import register
from tests.chaos.clock import SHIM, Clock
from tests.doctor.conftest import Patient
from tests.support.up_process import QUEUECTL
from tests.workers.processes import running_beat, running_worker, wait_until

EVERYTHING = [*register.OF_HOST, *register.OF_SERVER, *register.OF_QUEUE]
WRITTEN = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del)::bigint FROM pg_stat_user_tables WHERE schemaname = 'public'"


def doctor(*arguments: str) -> Result:
    result = CliRunner().invoke(main, ["doctor", *arguments])
    assert "Traceback" not in result.output
    return result


def login_url(patient: Patient, name: str, *granted: str) -> str:
    patient.execute(
        f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        *[f"GRANT processing_queue_{role} TO {name}" for role in granted],
    )
    return make_url(patient.url).set(username=name).render_as_string(hide_password=False)


def test_a_line_for_each_check(patient: Patient) -> None:
    patient.execute("DELETE FROM beats")
    result = doctor()
    lines = result.stdout.splitlines()
    assert result.exit_code == 1
    assert [line[9:].partition(":")[0] for line in lines] == EVERYTHING
    assert lines[0] == "ok       settings: valid, for the environment DEVELOPMENT."
    assert lines[-1].startswith("warning  beat: Celery beat has never run: ")
    assert " Next: start `celery -A processing_queue beat`" in lines[-1]


def test_the_exit_code_is_that_of_the_worst(patient: Patient) -> None:
    assert doctor().exit_code == 0
    patient.execute("DELETE FROM beats", "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert doctor().exit_code == 2
    assert doctor("--nothing").exit_code == 64


def test_a_monitor_suffices_and_nothing_is_written(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", login_url(patient, "doctor_monitor", "monitor"))
    with psycopg.connect(patient.url, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        before = connection.execute(WRITTEN).fetchone()
        found = patient.examine(exit_code=0)
        assert connection.execute(WRITTEN).fetchone() == before
    assert "this login, doctor_monitor, has the role monitor" in found["roles"]["message"]


def test_a_login_without_a_role(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", login_url(patient, "doctor_nobody"))
    result = doctor()
    assert result.exit_code == 2
    assert "permission denied" in result.stdout
    assert "GRANT processing_queue_monitor to this login" in result.stdout


def test_a_server_that_is_away(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/rpa_db")
    result = doctor()
    *_, database, rest = result.stdout.splitlines()
    assert result.exit_code == 2
    assert database.startswith("problem  database: the database rpa_db at 127.0.0.1:1 cannot be used: ")
    assert rest.startswith("Not examined because of the problem above: schema, extensions, pooler, ")
    assert "hush" not in result.output


def test_a_database_without_a_schema(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    found = document(doctor("--json"))
    assert found["checks"]["schema"]["level"] == "problem"
    assert "run `queuectl migrate`" in found["checks"]["schema"]["message"]
    assert found["not_examined"] == list(register.OF_QUEUE)


def test_a_schema_of_another_version(patient: Patient) -> None:
    patient.execute("UPDATE schema_version SET version_num = '0026'")
    assert "the schema of rpa_db is at 0026" in patient.examine(exit_code=2)["schema"]["message"]
    patient.execute("UPDATE schema_version SET version_num = '9999'")
    assert "compatible" not in patient.examine(exit_code=0)["schema"]["message"]
    patient.execute("COMMENT ON TABLE schema_version IS NULL")
    assert "is newer than this code" in patient.examine(exit_code=2)["schema"]["message"]


def test_wrong_settings_keep_only_the_database_from_it(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:hush@somewhere/rpa_db")
    found = document(doctor("--json"))
    assert {name: check["level"] for name, check in found["checks"].items()} == {
        "settings": "problem",
        "broker": "ok",
    }
    assert "hush" not in str(found)


def test_a_check_that_fails_keeps_no_other_from_it(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(register.OF_QUEUE, "clocks", broken)  # type: ignore[arg-type]
    found = document(doctor("--json"))
    assert "ZeroDivisionError, which is a fault of this program" in found["checks"]["clocks"]["message"]
    assert [name for name, check in found["checks"].items() if check["level"] != "ok"] == ["clocks"]
    assert found["not_examined"] == []


def test_a_real_fleet_is_all_well_and_a_host_with_a_wrong_clock_is_not(
    settings_environment: dict[str, str], tmp_path: Path
) -> None:
    """The fleet is a worker for flows, a worker for `control`, and beat. `queuectl` has its own process."""

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [QUEUECTL, "doctor"],
            env=settings_environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    with (
        running_worker(settings_environment, tmp_path / "flows.log"),
        running_worker(settings_environment, tmp_path / "control.log", queues="control", concurrency=1),
        running_beat(settings_environment, tmp_path / "beat.log"),
    ):
        wait_until(lambda: run().returncode == 0, "a healthy fleet", tmp_path / "beat.log")
        assert len([line for line in run().stdout.splitlines() if line.startswith("ok ")]) == len(EVERYTHING)
        clock = Clock(tmp_path / "clock")
        clock.step(90)
        path = os.pathsep.join([str(SHIM), *sys.path])
        ahead = run(CHAOS_CLOCK=str(clock.path), PYTHONPATH=path)
    assert ahead.returncode == 1, ahead.stdout + ahead.stderr
    assert "warning  clocks: The clock of this host is 90 s ahead of the database's" in ahead.stdout


def document(result: Result) -> dict[str, Any]:
    found = json.loads(result.stdout)
    return found | {"checks": {check["check"]: check for check in found["checks"]}}
