"""If the queue cannot be judged, its health is never reported as `healthy` or `warning`. A judgement ends even if the
database hangs."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from queue_store.errors import DatabaseUnavailableError
from queue_store.readings.trends import read_connection_success
from queue_store.settings import ProcessorSettings
from tasks.alerts.checking import check_queue
from tasks.alerts.update_alerts import update_alerts
from tasks.app import app
from tasks.cli import main
from tasks.health import connection_pool_monitoring, database_health_check
from tasks.monitoring import (
    calculate_capacity_utilization,
    distributed_queue_monitoring,
    processing_performance_monitoring,
)
from tasks.monitoring.deadline import call_with_deadline
from tests.support import filling

NOBODY = "postgresql://nobody:hush@127.0.0.1:1/rpa_db"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setattr("tasks.monitoring.connection_checks.unnoted", {})


@pytest.fixture
def unmigrated(monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)


@pytest.mark.usefixtures("unmigrated")
def test_check_of_a_database_without_the_schema_is_no_warning() -> None:
    result = CliRunner().invoke(main, ["check"])
    assert result.exit_code == 3
    assert result.stdout.startswith("Queue health: unknown - ")
    assert "queuectl migrate" in result.stdout
    as_json = CliRunner().invoke(main, ["check", "--json"])
    assert (json.loads(as_json.stdout)["health"], as_json.exit_code) == ("unknown", 3)


@pytest.mark.usefixtures("unmigrated")
def test_health_checks_of_a_database_without_the_schema_report_and_never_raise() -> None:
    pool = connection_pool_monitoring("rpa_db")
    assert pool["status"] == "unhealthy"
    assert "queuectl migrate" in pool["error"]
    assert database_health_check("rpa_db")["status"] == "degraded"
    update_alerts()


def test_check_with_wrong_settings_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_BATCH_SIZE", "many")
    assert CliRunner().invoke(main, ["check"]).exit_code == 3


@pytest.mark.parametrize(("broker_url", "is_found"), [("memory://", False), ("pyamqp://127.0.0.1:1//", True)])
def test_a_broker_that_is_not_redis_is_judged_too(
    database: DatabaseManager, broker_url: str, is_found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.conf, "broker_url", broker_url)
    monkeypatch.setattr(app.conf, "broker_write_url", broker_url)
    judgement = check_queue(database, ProcessorSettings(), notify=False)
    assert ("broker_unreachable" in {f.code for f in judgement.findings}) == is_found


@pytest.mark.long
def test_a_database_that_waits_for_a_lock_for_too_long_is_an_emergency(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tasks.monitoring.databases.STATEMENT_SECONDS", 0.2)
    monkeypatch.setattr("tasks.alerts.judging.TRY_AGAIN_SECONDS", 0)
    settings = ProcessorSettings(state_directory=str(tmp_path))
    with database.transaction() as other:
        other.execute("LOCK TABLE processing_queue IN ACCESS EXCLUSIVE MODE")
        (finding,) = check_queue(database, settings, notify=True).findings
    assert (finding.code, finding.level) == ("database_unreachable", "emergency")
    assert "statement timeout" in finding.next_step
    with database.transaction() as other:
        other.execute("LOCK TABLE alerts IN ACCESS EXCLUSIVE MODE")
        (finding,) = check_queue(database, settings, notify=True).findings
    assert finding.code == "database_unreachable"


@pytest.fixture
def hangs() -> Iterator[threading.Event]:
    ended = threading.Event()
    yield ended
    ended.set()


def test_a_server_that_hangs_is_not_waited_for(hangs: threading.Event) -> None:
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailableError, match=r"did not answer within 0\.1 s"):
        call_with_deadline(hangs.wait, 0.1, thread_name="hangs")
    assert time.monotonic() - began < 30


def test_each_look_is_a_sample_of_the_connection(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    distributed_queue_monitoring()
    check_queue(database, ProcessorSettings(), notify=False)
    monkeypatch.setenv("DATABASE_URL", NOBODY)
    with pytest.raises(DatabaseUnavailableError):
        distributed_queue_monitoring()
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    distributed_queue_monitoring()
    overall = distributed_queue_monitoring()["overall_queue_status"]
    assert overall["connection_success_rate_percent"] == 75
    with database.transaction() as cursor:
        assert read_connection_success(cursor).attempt_count == 5


def test_a_database_that_is_not_configured_does_not_count_as_a_failure_of_another(
    database: DatabaseManager,
) -> None:
    for _ in range(3):
        database_health_check("rpa_bd", include_retry=True)
    assert database_health_check("rpa_db")["connection_success_rate_percent"] == 100


def test_failures_are_counted_by_database(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_GLOBAL_OTHER_URL", NOBODY)
    database_health_check("other", include_retry=True)
    assert database_health_check("rpa_db")["connection_success_rate_percent"] == 100


def test_a_replica_that_is_down_is_replaced_by_the_primary(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling.add_outcomes(database, completed=30)
    monkeypatch.setenv("DEVELOPMENT_GLOBAL_RPA_DB_REPLICA_URL", NOBODY)
    performance = processing_performance_monitoring()
    assert performance["overall_metrics"]["records_completed"] == 30
    assert "the replica did not answer" in performance["replica_problem"]
    assert "hush" not in performance["replica_problem"]
    assert "the replica did not answer" in calculate_capacity_utilization()["replica_problem"]
