"""If operators stop something and forget it, a finding says after some time who stopped it, when and why. A stop
neither opens nor resolves alerts about records that wait."""

from collections.abc import Callable
from pathlib import Path

import pytest

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding
from queue_store.database.manager import DatabaseManager
from queue_store.operators.operators import Operators
from queue_store.settings import load_processor_settings
from tasks.alerts.checking import check_queue
from tasks.monitoring.rules import judge
from tasks.monitoring.snapshot import take_snapshot
from tests.support import filling, troubles

REMINDER = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_STOP_REMINDER_HOURS"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str, tmp_path: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv(REMINDER, "0")
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_STATE_DIRECTORY", str(tmp_path))
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


def pause(operators: Operators) -> None:
    operators.pause("alpha", actor="ben", reason="moving")
    operators.pause("alpha", actor="anna", reason="again")  # no effect: ben has already paused the flow


def stop_processing(operators: Operators) -> None:
    operators.stop_processing(actor="ben", reason="moving")


def stop_ingestion(operators: Operators) -> None:
    operators.stop_ingestion(None, actor="ben", reason="moving")


def stop_ingestion_of_the_flow(operators: Operators) -> None:
    operators.stop_ingestion("alpha", actor="ben", reason="moving")


def stop_all(operators: Operators) -> None:
    stop_ingestion(operators)
    stop_processing(operators)


Stop = Callable[[Operators], None]
STOPS: list[tuple[Stop, str, str | None, str]] = [
    (pause, "alpha: paused since ", "alpha", "queuectl resume alpha"),
    (stop_processing, "All flows: processing stopped since ", None, "queuectl resume --processing"),
    (stop_ingestion, "All flows: ingestion stopped since ", None, "queuectl resume --ingestion"),
    (
        stop_ingestion_of_the_flow,
        "alpha: ingestion stopped since ",
        "alpha",
        "queuectl resume alpha --ingestion",
    ),
    (
        stop_all,
        "All flows: processing stopped and ingestion stopped since ",
        None,
        "queuectl resume --all",
    ),
]
WITHOUT_DUE_RECORDS = (pause, stop_processing)


@pytest.mark.parametrize(("stop", "begins", "flow_name", "next_step"), STOPS)
def test_a_stop_is_told_with_who_why_and_since_when(
    database: DatabaseManager, stop: Stop, begins: str, flow_name: str | None, next_step: str
) -> None:
    troubles.healthy(database)
    stop(Operators(database))
    (finding,) = found(database)
    assert finding.message.startswith(begins)
    assert "by ben (moving), for more than 0 h: " in finding.message
    assert ("20 due records wait" in finding.message) == (
        stop not in (stop_ingestion, stop_ingestion_of_the_flow)
    )
    assert ("new records are refused" in finding.message) == (stop not in WITHOUT_DUE_RECORDS)
    assert (finding.level, finding.flow_name, finding.threshold) == ("warning", flow_name, 0)
    assert finding.next_step == f"ask ben whether that is still intended, then {next_step}"


@pytest.mark.parametrize("stop", [stop for stop, *_ in STOPS])
def test_a_young_stop_is_silent(
    database: DatabaseManager, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REMINDER)
    troubles.healthy(database)
    stop(Operators(database))
    assert found(database) == []


@pytest.mark.parametrize("stop", WITHOUT_DUE_RECORDS)
def test_a_stop_where_nothing_is_due_is_silent(database: DatabaseManager, stop: Stop) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    stop(Operators(database))
    assert found(database) == []


def test_an_hour_is_long_by_default_and_a_plain_update_has_no_author(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(REMINDER)
    troubles.healthy(database)
    troubles.execute(database, "UPDATE flows SET paused_at = now() - interval '61 minutes'")
    (finding,) = found(database)
    assert "by somebody who left no audit row (no reason given), for more than 1 h" in finding.message
    assert (finding.figure, finding.threshold) == (pytest.approx(1.02, abs=0.01), 1)


def found(database: DatabaseManager) -> list[Finding]:
    """Returns the findings except those about beat and the broker, because these tests have neither."""
    return judge(take_snapshot(database, load_processor_settings()))


WAITING: list[tuple[Callable[[DatabaseManager], None], str]] = [
    (troubles.backlogged, "backlog"),
    (troubles.slow, "processing_rate:alpha"),
    (troubles.degraded, "rate_below_usual:alpha"),
    (troubles.flow_unknown_to_workers, "flow_not_served:beta"),
    (troubles.workers_gone, "all_workers_gone"),
]


@pytest.mark.parametrize(("trouble", "key"), WAITING)
def test_a_stop_does_not_resolve_an_alert_about_what_waits(
    database: DatabaseManager,
    trouble: Callable[[DatabaseManager], None],
    key: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(REMINDER)
    trouble(database)
    assert key in open_alerts(database)
    Operators(database).stop_processing(actor="ben")
    assert key in open_alerts(database)
    assert key.partition(":")[0] not in {finding.code for finding in found(database)}
    Operators(database).resume_processing(actor="ben")
    troubles.execute(database, "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")
    assert key not in open_alerts(database)


def test_an_alert_about_what_waits_is_resolved_when_that_is_gone_while_it_is_stopped(
    database: DatabaseManager,
) -> None:
    troubles.backlogged(database)
    assert "backlog" in open_alerts(database)
    pause(Operators(database))
    troubles.execute(database, "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")
    assert "backlog" not in open_alerts(database)


def open_alerts(database: DatabaseManager) -> set[str]:
    """Runs a check that stores the alerts, and returns the keys of the open alerts."""
    check_queue(database, load_processor_settings(), notify=True)
    with database.transaction() as cursor:
        return {alert.alert_key for alert in alerts.read_alerts(cursor)}
