"""Each reading returns the right figures, whether the deltas are folded or not."""

import pytest

from queue_store.counts import rollups
from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.readings.fleet import read_fleet
from queue_store.readings.flow_counts import add_up, read_flow_counts
from queue_store.readings.integrity import find_missing_guards, find_violations
from queue_store.readings.orphans import read_orphans
from queue_store.readings.server import read_server
from queue_store.readings.top_errors import read_top_errors
from queue_store.readings.trends import read_baselines, read_connection_success, read_depths, renew_baselines
from queue_store.readings.windows import add_up as add_windows, read_hours, read_window
from queue_store.settings import ProcessorSettings
from tests.support import filling
from tests.support.restoring import RESTORED
from tests.support.servers import connect

# No process counts as silent until Postgres has been up for the length of a lease. The lease is short, because Postgres
# may have been started just now.
SETTINGS = ProcessorSettings(heartbeat_seconds=0.05, lease_seconds=0.15)


@pytest.mark.parametrize("folded", [False, True])
def test_counts_are_the_same_folded_or_not(database: DatabaseManager, folded: bool) -> None:
    filling.add_records(database, 3, age_seconds=60)
    filling.add_failed(database, 2)
    filling.add_processing(database, 4, filling.add_run(database))
    if folded:
        rollups.fold(database)
    with database.transaction() as cursor:
        (alpha,) = read_flow_counts(cursor)
    assert (alpha.total, alpha.pending, alpha.due, alpha.processing, alpha.failed) == (9, 3, 3, 4, 2)
    assert 59 < (alpha.oldest_due_seconds or 0) < 90
    assert not alpha.is_approximate


def test_future_records_are_pending_but_not_due(database: DatabaseManager) -> None:
    filling.add_records(database, 2, age_seconds=-3600)
    with database.transaction() as cursor:
        (alpha,) = read_flow_counts(cursor)
    assert (alpha.pending, alpha.due, alpha.oldest_due_seconds) == (2, 0, None)


def test_counts_beyond_the_limit_come_from_the_totals(
    database: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.readings.flow_counts.COUNT_LIMIT", 3)
    filling.add_records(database, 8)
    with database.transaction() as cursor:
        (alpha,) = read_flow_counts(cursor)
    assert (alpha.pending, alpha.due, alpha.is_approximate) == (8, 8, True)
    filling.add_records(database, 2, scheduled_at=filling.alive())
    with database.transaction() as cursor:
        (alpha,) = read_flow_counts(cursor)
    assert (alpha.pending, alpha.due) == (10, 8)


def test_all_flows_together(database: DatabaseManager) -> None:
    filling.add_records(database, 3, age_seconds=60)
    filling.add_records(database, 2, "beta", age_seconds=600)
    with database.transaction() as cursor:
        together = add_up(read_flow_counts(cursor))
    assert (together.total, together.pending) == (5, 5)
    assert 599 < (together.oldest_due_seconds or 0) < 630


def test_a_window_adds_minutes_hours_and_deltas_once(database: DatabaseManager) -> None:
    for minutes_ago in (30, 90, 600, 60 * 23, 60 * 25):
        filling.add_outcomes(database, minutes_ago=minutes_ago, completed=10, failed=1)
    rollups.fold(database)
    filling.add_outcomes(database, minutes_ago=1, completed=10, failed=1)
    with database.transaction() as cursor:
        day, hour = read_window(cursor, 86_400)["alpha"], read_window(cursor, 3_600)["alpha"]
        hours = read_hours(cursor, 86_400)
    assert (day.completed, day.failed, hour.completed) == (50, 5, 20)
    assert (day.success_rate_percent, hour.outcomes_per_hour) == (90.91, 22)
    assert day.processing_percentile(0.5) == pytest.approx(0.75)
    assert sum(h.completed for h in hours) == 40
    assert add_windows([day, hour], 86_400).completed == 70


def test_a_success_rate_needs_twenty_outcomes(database: DatabaseManager) -> None:
    filling.add_outcomes(database, completed=18, failed=1)
    with database.transaction() as cursor:
        assert read_window(cursor, 3_600)["alpha"].success_rate_percent is None


def test_orphans_are_told_apart_by_cause(database: DatabaseManager) -> None:
    def instant(seconds_ago: float):
        with database.transaction() as cursor:
            row = cursor.execute("SELECT now() - make_interval(secs => %(s)s)", {"s": seconds_ago}).fetchone()
        return row[0]

    filling.add_flow(database, orphan_timeout_seconds=10_000)
    filling.add_processing(database, 5, filling.add_run(database), age_seconds=9_000)
    filling.add_processing(database, 1, filling.add_run(database), age_seconds=11_000)
    filling.add_processing(database, 2, filling.add_run(database, heartbeat_at=instant(600)))
    dead = {"state": "dead", "finished_at": instant(300)}
    filling.add_processing(database, 3, filling.add_run(database, **dead))
    with database.transaction() as cursor:
        orphans = read_orphans(cursor, SETTINGS)
    assert {(o.cause, o.record_count) for o in orphans} == {
        ("claimed too long ago", 1),
        ("run silent", 2),
        ("run dead", 3),
    }


def test_an_orphan_is_late_only_when_rescue_had_its_time(database: DatabaseManager) -> None:
    run = filling.add_run(database)
    filling.add_processing(database, 3, run)
    with database.transaction() as cursor:
        cursor.execute("UPDATE flow_execution_logs SET state = 'dead', finished_at = now()")
        assert [(o.record_count, o.late_count) for o in read_orphans(cursor, SETTINGS)] == [(3, 0)]
        cursor.execute("UPDATE flow_execution_logs SET finished_at = now() - interval '2 minutes'")
        assert [(o.record_count, o.late_count) for o in read_orphans(cursor, SETTINGS)] == [(3, 3)]


def test_the_fleet_adds_its_pools_up(database: DatabaseManager) -> None:
    filling.add_worker_process(database, "alpha", pool_in_use=5, memory_bytes=50, memory_limit_bytes=200)
    filling.add_worker_process(database, "beta", pool_in_use=4)
    silent = filling.add_worker_process(database, "gamma", pool_in_use=6)
    filling.add_run(database)
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE worker_processes SET heartbeat_at = now() - interval '1 minute'"
            " WHERE worker_process_id = %(silent)s",
            {"silent": silent},
        )
        fleet = read_fleet(cursor, SETTINGS)
    assert (len(fleet.processes), len(fleet.alive), fleet.served_flows) == (3, 2, {"alpha", "beta"})
    assert fleet.pool_utilization_percent == 75
    assert {process.memory_percent for process in fleet.alive} == {25, None}
    assert [(run.flow_name, run.run_count) for run in fleet.runs] == [("alpha", 1)]


def test_errors_are_grouped_by_kind(database: DatabaseManager) -> None:
    run = filling.add_run(database)
    with database.transaction() as cursor:
        cursor.execute(
            "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id,"
            " outcome, exception_type, error_message, error_group)"
            " SELECT n, 1, 1, 'alpha', %(run)s, 'failed', 'ValueError', 'order ' || n, 'ValueError: order #'"
            " FROM generate_series(1, 5) AS n UNION ALL"
            " SELECT 6, 1, 1, 'beta', %(run)s, 'retried', 'OSError', 'gone', 'OSError: gone'",
            {"run": run},
        )
        first, second = read_top_errors(cursor, 3_600)
    assert (first.error_group, first.error_count, first.failed_count) == ("ValueError: order #", 5, 5)
    assert (second.error_message, second.flow_names, second.is_capped) == ("gone", ["beta"], False)


def test_the_server_names_the_oldest_transaction(database: DatabaseManager) -> None:
    with database.transaction() as holder:
        holder.execute("SELECT 1")
        pid = holder.connection.info.backend_pid
        with database.transaction() as cursor:
            server = read_server(cursor)
    assert server.longest_transaction is not None
    assert server.longest_transaction.pid == pid
    assert server.longest_transaction.application_name == "queue_store"
    assert sum(c.connection_count for c in server.connections) >= 2
    assert 0 < server.connections_percent < 100


def test_a_baseline_is_learned_from_full_hours(database: DatabaseManager) -> None:
    for weeks in (1, 2):
        filling.add_outcomes(database, minutes_ago=weeks * 7 * 24 * 60, completed=30 * weeks, failed=10)
    filling.add_outcomes(database, minutes_ago=0, completed=500)
    rollups.fold(database)
    with database.transaction() as cursor:
        assert renew_baselines(cursor) == 1
        baseline = read_baselines(cursor)["alpha"]
    assert (baseline.outcomes_per_hour, baseline.week_count) == (55, 2)


def test_depths_and_connection_success_without_data(database: DatabaseManager) -> None:
    with database.transaction() as cursor:
        assert read_depths(cursor, 3_600) == []
        assert read_connection_success(cursor).success_rate_percent is None


def test_a_sound_queue_has_no_violations(database: DatabaseManager) -> None:
    filling.add_records(database, 3)
    filling.add_failed(database, 3)
    filling.add_processing(database, 3, filling.add_run(database))
    with database.transaction() as cursor:
        assert find_violations(cursor, full=True) == []


CORRUPTIONS = {
    "impossible_live_states": "UPDATE processing_queue SET updated_at = now() + interval '1 hour' WHERE id % 3 = 0",
    "claims_without_a_run": "INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at,"
    f" flow_instance_id) SELECT 'alpha', 'processing', 1, now(), gen_random_uuid() WHERE {RESTORED}",
    "counts_that_do_not_add_up": "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'",
    "attempts_that_do_not_fit": "INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name,"
    " flow_instance_id, outcome, exception_type, error_message, error_group)"
    " VALUES (-1, 1, 1, 'alpha', gen_random_uuid(), 'failed', 'E', 'e', 'e')",
    "sequence_behind": "INSERT INTO processing_queue (id, flow_name)"
    " SELECT max(id) + 1000, 'alpha' FROM processing_queue",
}


@pytest.mark.parametrize("check", CORRUPTIONS)
def test_a_corruption_is_found_by_its_check_alone(database: DatabaseManager, check: str) -> None:
    filling.add_records(database, 6)
    with database.transaction() as cursor:
        cursor.execute(CORRUPTIONS[check].encode())
        violations = find_violations(cursor)
    assert {violation.check.name for violation in violations} == {check}


def test_missing_guards_and_what_they_let_in_are_found(own_database_url: str) -> None:
    import psycopg

    with psycopg.connect(own_database_url) as connection:
        connection.execute("ALTER TABLE processing_queue DROP CONSTRAINT processing_queue_state")
        connection.execute("ALTER TABLE processing_queue DISABLE TRIGGER only_known_transitions")
        connection.execute("DROP TRIGGER processing_queue_large_record ON processing_queue")
        connection.execute("DROP INDEX processing_queue_dedup")
        connection.execute(
            "INSERT INTO processing_queue (flow_name, status) VALUES ('alpha', 'completed');"
            "INSERT INTO processing_queue (flow_name, dedup_key) VALUES ('alpha', 'x'), ('alpha', 'x')"
        )
        violations = find_violations(connection.cursor(), full=True)
    assert {(v.check.name) for v in violations} == {
        "missing_guards",
        "states_beyond_repair",
        "duplicate_live_records",
    }
    assert sorted(v.problem.split()[0] for v in violations if v.check.name == "missing_guards") == [
        "only_known_transitions",
        "processing_queue_dedup",
        "processing_queue_large_record",
        "processing_queue_state",
    ]


def test_a_guard_of_a_newer_schema_is_not_missing(empty_database_url: str) -> None:
    database = connect(empty_database_url)
    schema.migrate(database.engine, "0003_check_of_payloads")
    with database.transaction() as cursor:
        assert find_missing_guards(cursor) == []
    database.dispose()
