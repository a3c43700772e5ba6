"""For each trouble that the runbook names, monitoring reports the right finding at the right level, and no other
finding."""

import json
from collections.abc import Callable

import pytest

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from queue_store.errors import SettingsError
from tasks.health import connection_pool_monitoring, database_health_check
from tasks.monitoring import (
    ALERT_THRESHOLDS,
    calculate_capacity_utilization,
    distributed_processing_diagnostics,
    distributed_queue_monitoring,
    processing_performance_monitoring,
)
from tests.support import filling
from tests.support.troubles import (
    backlogged,
    busy_and_full,
    changed_by_hand,
    corrupted,
    degraded,
    execute,
    failures_that_were_reset,
    few_outcomes_all_failed,
    flow_unknown_to_workers,
    healthy,
    just_crashed,
    many_failures,
    many_flows_a_little_ill,
    many_flows_with_few_outcomes,
    much_for_later,
    name_mistyped,
    name_mistyped_for_later,
    name_not_registered_yet,
    nothing_to_do,
    one_flow_ill_and_many_a_little,
    one_long_record,
    pause_forgotten,
    paused,
    paused_with_a_fresh_record_elsewhere,
    pools_used_up,
    slow,
    some_failures,
    standing_still,
    stuck,
    stuck_a_little,
    workers_gone,
)

PREFIX = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_"


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


TROUBLES: list[tuple[Callable[[DatabaseManager], None], str, set[tuple[str, str]]]] = [
    (healthy, "healthy", set()),
    (nothing_to_do, "healthy", set()),
    (paused, "healthy", set()),
    (just_crashed, "healthy", set()),
    (one_long_record, "healthy", set()),
    (few_outcomes_all_failed, "healthy", set()),
    (many_failures, "critical", {("failed_records", "critical"), ("success_rate", "critical")}),
    (some_failures, "warning", {("failed_records", "warning"), ("success_rate", "warning")}),
    (failures_that_were_reset, "warning", {("recent_failures", "warning")}),
    (many_flows_a_little_ill, "critical", {("failed_records", "critical")}),
    (
        one_flow_ill_and_many_a_little,
        "critical",
        {("failed_records", "warning"), ("failed_records", "critical")},
    ),
    (many_flows_with_few_outcomes, "critical", {("success_rate", "critical")}),
    (stuck, "critical", {("orphaned_records", "critical")}),
    (stuck_a_little, "warning", {("orphaned_records", "warning")}),
    (slow, "warning", {("processing_rate", "warning")}),
    (standing_still, "critical", {("processing_rate", "critical")}),
    (degraded, "warning", {("rate_below_usual", "warning")}),
    (backlogged, "warning", {("backlog", "warning")}),
    (pause_forgotten, "warning", {("forgotten_stop", "warning")}),
    (paused_with_a_fresh_record_elsewhere, "healthy", set()),
    (much_for_later, "healthy", set()),
    (pools_used_up, "critical", {("pool_utilization", "critical")}),
    (workers_gone, "emergency", {("all_workers_gone", "emergency")}),
    (flow_unknown_to_workers, "critical", {("flow_not_served", "critical")}),
    (name_mistyped, "critical", {("unknown_flow", "critical")}),
    (name_mistyped_for_later, "warning", {("unknown_flow", "warning")}),
    (name_not_registered_yet, "healthy", set()),
    (corrupted, "emergency", {("corruption", "emergency")}),
    (changed_by_hand, "warning", {("wrong_counts", "warning")}),
    (busy_and_full, "warning", {("busy_processors", "warning"), ("full_memory", "warning")}),
]


@pytest.mark.parametrize(("trouble", "health", "expected"), TROUBLES, ids=[t[0].__name__ for t in TROUBLES])
def test_each_trouble_is_found_and_nothing_else(
    database: DatabaseManager,
    trouble: Callable[[DatabaseManager], None],
    health: str,
    expected: set[tuple[str, str]],
) -> None:
    trouble(database)
    status = distributed_queue_monitoring()
    assert {(f["code"], f["level"]) for f in status["findings"]} == expected
    assert status["queue_health_assessment"]["queue_health"] == health
    assert len(status["operational_alerts"]) == len(expected)
    for finding in status["findings"]:
        assert finding["next_step"]
        assert finding["message"].endswith(".")


def test_the_counts_are_there_overall_and_by_flow(database: DatabaseManager) -> None:
    healthy(database)
    rollups.fold(database)
    status = distributed_queue_monitoring(include_detailed_metrics=True)
    overall = status["overall_queue_status"]
    assert overall["pending_records"] == status["flows"]["alpha"]["pending_records"] == 20
    assert (overall["processing_records"], overall["failed_records"]) == (100, 3)
    assert overall["success_rate_percent_1h"] == pytest.approx(99.26)
    assert status["detailed_metrics"]["last_hour"]["avg_processing_rate_per_hour"] == 403
    assert status["detailed_metrics"]["fleet"]["containers"]["worker-1"]["status"] == "healthy"
    json.dumps(status)


def test_a_recommendation_names_flow_figure_threshold_and_next_step(database: DatabaseManager) -> None:
    standing_still(database)
    (recommendation,) = processing_performance_monitoring()["recommendations"]
    assert recommendation.startswith("alpha: 0 records an hour while due work waits, below 10.")
    assert "queuectl capacity" in recommendation


def test_diagnostics_tell_the_orphans_and_the_issues(database: DatabaseManager) -> None:
    stuck(database)
    diagnostics = distributed_processing_diagnostics()
    assert diagnostics["orphaned_records_analysis"]["total_orphaned_records"] == 60
    assert len(diagnostics["issues_found"]) == 1
    assert "60 orphaned records (claimed too long ago)" in diagnostics["issues_found"][0]
    assert "performance_analysis" in diagnostics
    assert "performance_analysis" not in distributed_processing_diagnostics(True, False)
    json.dumps(diagnostics)


def test_performance_tells_rates_errors_and_hours(database: DatabaseManager) -> None:
    filling.add_outcomes(database, completed=95, failed=5, retried=10, enqueued=0)
    execute(
        database,
        "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,"
        " exception_type, error_message, error_group)"
        " SELECT n, 1, 1, 'alpha', gen_random_uuid(), 'failed', 'ValueError', 'bad ' || n, 'ValueError: bad #'"
        " FROM generate_series(1, 5) AS n",
    )
    performance = processing_performance_monitoring(time_window_hours=6, include_error_analysis=True)
    metrics = performance["overall_metrics"]
    assert (metrics["success_rate_percent"], metrics["error_rate_percent"]) == (95, 13.64)
    assert metrics["avg_processing_rate_per_hour"] == pytest.approx(16.67)
    assert metrics["avg_processing_time_minutes"] == pytest.approx(1 / 110 / 60, abs=1e-4)
    (error,) = performance["error_analysis"]["top_errors"]
    assert (error["error_count"], error["error_group"]) == (5, "ValueError: bad #")
    assert "error_analysis" not in processing_performance_monitoring(6, False)
    json.dumps(performance)


@pytest.mark.parametrize("hours", [0, -1, 1e9, float("nan"), True])
def test_a_window_that_makes_no_sense_is_refused(hours: float) -> None:
    with pytest.raises(ValueError, match="time_window_hours must be more than 0"):
        processing_performance_monitoring(time_window_hours=hours)


def test_health_of_a_database_that_answers(database: DatabaseManager) -> None:
    health = database_health_check("rpa_db", include_retry=True)
    assert (health["status"], health["connection"], health["error"]) == ("healthy", "ok", None)
    assert 0 < health["response_time_ms"] < 60_000
    assert health["connection_success_rate_percent"] == 100


def test_health_of_a_database_that_is_gone_and_comes_back(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:hush@127.0.0.1:1/rpa_db")
    health = database_health_check("rpa_db")
    assert (health["status"], health["connection"]) == ("unhealthy", "failed")
    assert "127.0.0.1:1" in health["error"]
    assert "hush" not in health["error"]
    assert connection_pool_monitoring("rpa_db")["status"] == "unhealthy"
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    assert database_health_check("rpa_db")["connection_success_rate_percent"] == 50


def test_an_unknown_database_is_named(database: DatabaseManager) -> None:
    health = database_health_check("elsewhere")
    assert health["status"] == "unhealthy"
    assert "DEVELOPMENT_GLOBAL_ELSEWHERE_URL is missing" in health["error"]


def test_pool_use_is_the_fleets(database: DatabaseManager) -> None:
    filling.add_worker_process(database, "alpha", pool_in_use=6)
    filling.add_worker_process(database, "alpha", pool_in_use=5)
    pool = connection_pool_monitoring("rpa_db")
    assert (pool["utilization_percent"], pool["status"], pool["worker_processes"]) == (91.7, "warning", 2)
    assert pool["server"]["connections"]


def test_capacity_by_the_runbooks_formulas(database: DatabaseManager) -> None:
    filling.add_records(database, 90)
    filling.add_processing(database, 90, filling.add_run(database))
    capacity = calculate_capacity_utilization()
    assert (capacity["current_load"], capacity["theoretical_capacity"]) == (180, 3_600)
    assert (capacity["utilization_percent"], capacity["wanted_containers"]) == (5, 1)
    assert capacity["pool"]["recommended_pool_size"] == 6


def test_no_more_containers_are_wanted_than_the_server_has_connections_for(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    filling.add_flow(database, batch_size=1)
    filling.add_records(database, 90)
    monkeypatch.setenv(f"{PREFIX}BATCH_SIZE", "1")
    monkeypatch.setenv(f"{PREFIX}CAPACITY_RATE_PER_HOUR", "0.01")
    for pid in range(20):  # all on one host
        filling.add_worker_process(database, "alpha", pid=pid, pool_in_use=0)
    capacity = calculate_capacity_utilization()
    assert capacity["needed_containers"] == 9_000
    assert capacity["wanted_containers"] == capacity["maximum_containers"]
    spare = capacity["pool"]["server_connection_limit"] - capacity["pool"]["server_connections"]
    assert capacity["maximum_containers"] == max(1, spare // 40)


def test_more_containers_are_wanted_only_for_what_can_be_claimed_now(database: DatabaseManager) -> None:
    much_for_later(database)
    filling.add_flow(database, "beta", paused_at=filling.alive())
    filling.add_records(database, 1_300, "beta")
    capacity = calculate_capacity_utilization()
    assert (capacity["wanted_containers"], capacity["scale_up"]) == (1, False)


def test_growth_is_projected_from_daily_arrivals(database: DatabaseManager) -> None:
    for days_ago in range(1, 12):  # the oldest day may be a part of a day, so it does not count
        filling.add_outcomes(
            database, minutes_ago=days_ago * 24 * 60, enqueued=1_000 - 10 * days_ago, completed=0
        )
    rollups.fold(database)
    growth = calculate_capacity_utilization()["growth"]
    assert (growth["days_seen"], growth["growth_per_day"], growth["records_per_day"]) == (10, 10, 990)
    assert growth["days_until_limit"] == (3_600 * 24 - 990) / 10


def test_thresholds_are_the_runbooks_and_settings_change_them(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ALERT_THRESHOLDS["failed_records_critical"] == 100
    filling.add_failed(database, 20)
    filling.add_failed(database, 30, "beta")
    assert distributed_queue_monitoring()["findings"] == []
    own = {"failed_records_warning": 40, "flows": {"beta": {"failed_records_warning": 20}}}
    monkeypatch.setenv(f"{PREFIX}ALERT_THRESHOLDS", json.dumps(own))
    (finding,) = distributed_queue_monitoring()["findings"]
    assert (finding["flow_name"], finding["threshold"]) == ("beta", 20)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "must be JSON"),
        ("[]", "must be a JSON object"),
        ('{"failed_record_warning": 1}', "did you mean failed_records_warning"),
        ('{"failed_records_warning": -1}', "must be a number, 0 or more"),
        ('{"failed_records_warning": true}', "must be a number, 0 or more"),
        ('{"failed_records_warning": 200}', "must not be above failed_records_critical"),
        ('{"success_rate_warning": 70}', "must not be below success_rate_critical"),
        ('{"flows": {"alpha": {"response_time_warning": 1}}}', "cannot be set for one flow"),
        ('{"flows": []}', "flows must be an object"),
        ('{"failed_records_warning": "5", "flows": {"alpha": {}}}', "must be a number, 0 or more"),
        (
            '{"failed_records_warning": "5", "flows": []}',
            "must be a number, 0 or more; flows must be an object",
        ),
        (
            '{"success_rate_warning": 50, "x": 1, "flows": {"a": {"success_rate_warning": 60}}}',
            "x is not a threshold$",
        ),
        (
            '{"flows": {"a": {"failed_records_warning": 200}}}',
            "flows.a.failed_records_warning .200. must not be above",
        ),
    ],
)
def test_wrong_thresholds_are_refused(text: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}ALERT_THRESHOLDS", text)
    with pytest.raises(SettingsError, match=problem):
        distributed_queue_monitoring()
