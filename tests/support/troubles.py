"""Brings a queue into each state that the runbook describes, including healthy states."""

from typing import Any

from queue_store.counts import rollups
from queue_store.database.manager import DatabaseManager
from tests.support import filling
from tests.support.restoring import RESTORED


def execute(database: DatabaseManager, statement: str, **parameters: Any) -> None:
    with database.transaction() as cursor:
        cursor.execute(statement.encode(), parameters)


def healthy(database: DatabaseManager) -> None:
    """Records wait only for a short time, are processed, and hardly ever fail."""
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_records(database, 20, age_seconds=30)
    filling.add_failed(database, 3)
    filling.add_outcomes(database, completed=400, failed=3)
    filling.add_processing(database, 100, filling.add_run(database))


def contact_gone(database: DatabaseManager) -> None:
    """For one of the two contacts, no process has a channel any more."""
    healthy(database)
    execute(
        database,
        "INSERT INTO alert_contacts (contact, process_kind, hostname, pid, last_seen_at) VALUES"
        " ('primary', 'worker', 'worker-1', 1, now()),"
        " ('secondary', 'worker', 'worker-2', 1, now() - interval '25 min')",
    )


def many_failures(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_failed(database, 110)
    filling.add_outcomes(database, completed=0, failed=110)


def some_failures(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_failed(database, 60)
    filling.add_outcomes(database, completed=0, failed=60)


def many_flows_a_little_ill(database: DatabaseManager) -> None:
    """Twelve flows, each with fewer failed records than a warning needs."""
    for number in range(12):
        filling.add_failed(database, 45, f"flow_{number}")


def one_flow_ill_and_many_a_little(database: DatabaseManager) -> None:
    filling.add_failed(database, 60)
    for number in range(3):
        filling.add_failed(database, 45, f"flow_{number}")


def many_flows_with_few_outcomes(database: DatabaseManager) -> None:
    """Each flow has too few outcomes to be judged."""
    for number in range(4):
        filling.add_flow(database, f"flow_{number}")
        filling.add_outcomes(database, f"flow_{number}", completed=1, failed=10)


def failures_that_were_reset(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_outcomes(database, completed=2_000, failed=60)


def stuck(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_processing(database, 60, filling.add_run(database), age_seconds=9_000)


def stuck_a_little(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_processing(database, 11, filling.add_run(database), age_seconds=9_000)


def no_outcome(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_records(database, 2, unfinished_claims=5, batch_limit=1)


def hung_handler(database: DatabaseManager) -> None:
    healthy(database)
    execute(
        database,
        "UPDATE worker_processes w SET in_hand_record_id = q.id, in_hand_claim_number = q.claim_number,"
        " in_hand_flow_name = 'alpha', in_hand_run_id = q.flow_instance_id,"
        " in_hand_since = now() - interval '10 minutes'"
        " FROM (SELECT * FROM processing_queue WHERE status = 'processing' ORDER BY id LIMIT 1) q",
    )


def failing_claims(database: DatabaseManager) -> None:
    healthy(database)
    execute(
        database,
        "UPDATE flows SET claims_failed = 12, claims_failed_at = now(),"
        " claims_failing_since = now() - interval '1 min'"
        ", claims_error = 'InsufficientPrivilege: permission denied for table processing_queue'",
    )


def just_crashed(database: DatabaseManager) -> None:
    healthy(database)
    run = filling.add_run(database)
    filling.add_processing(database, 100, run)
    execute(
        database,
        "UPDATE flow_execution_logs SET state = 'dead', finished_at = now() WHERE flow_instance_id = %(r)s",
        r=run,
    )


def slow(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_records(database, 30, age_seconds=1_500)
    filling.add_outcomes(database, completed=10)


def standing_still(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_records(database, 30, age_seconds=1_500)


def degraded(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_records(database, 30, age_seconds=3_700)
    filling.add_outcomes(database, minutes_ago=30, completed=100)
    execute(
        database,
        "INSERT INTO baselines (flow_name, hour_of_week, outcomes_per_hour, week_count)"
        " SELECT 'alpha', hour, 1000, 4 FROM generate_series(0, 167) AS hour",
    )


def backlogged(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_outcomes(database, completed=3_000)
    filling.add_records(database, 600, age_seconds=2_000)
    looked_at_for_half_an_hour(database)


def looked_at_for_half_an_hour(database: DatabaseManager) -> None:
    """Writes the present depth for each of the last 31 minutes."""
    rollups.fold(database)
    execute(
        database,
        "INSERT INTO depth_minutes (minute, flow_name, pending, processing, is_approximate, waiting)"
        " SELECT minute - make_interval(mins => n), flow_name, pending, processing, is_approximate, waiting"
        " FROM depth_minutes CROSS JOIN generate_series(1, 31) AS n",
    )


def paused_with_a_fresh_record_elsewhere(database: DatabaseManager) -> None:
    """600 records wait in a paused flow. One record of another flow has just become due, and no worker serves that flow
    yet."""
    filling.add_flow(database, "alpha", paused_at=filling.alive())
    filling.add_flow(database, "beta")
    filling.add_records(database, 600, age_seconds=4_000)
    filling.add_records(database, 1, "beta")
    looked_at_for_half_an_hour(database)


def much_for_later(database: DatabaseManager) -> None:
    """One record is overdue, and thousands are due next month."""
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_outcomes(database, completed=3_000)
    filling.add_records(database, 1, age_seconds=2_000)
    execute(
        database,
        "INSERT INTO processing_queue (flow_name, scheduled_at)"
        " SELECT 'alpha', now() + interval '30 days' FROM generate_series(1, 3000)",
    )
    looked_at_for_half_an_hour(database)


def pools_used_up(database: DatabaseManager) -> None:
    healthy(database)
    execute(database, "UPDATE worker_processes SET pool_in_use = 6, pool_capacity = 6")


def workers_gone(database: DatabaseManager) -> None:
    filling.add_flow(database)
    process = filling.add_worker_process(database, "alpha")
    filling.add_records(database, 5, age_seconds=90)
    execute(
        database,
        "UPDATE worker_processes SET heartbeat_at = now() - interval '5 minutes' WHERE worker_process_id = %(p)s",
        p=process,
    )


def flow_unknown_to_workers(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_flow(database, "beta")
    filling.add_records(database, 5, "beta", age_seconds=90)


def name_mistyped(database: DatabaseManager) -> None:
    """Records whose flow name is mistyped. A plain INSERT accepts such a name."""
    healthy(database)
    filling.add_records(database, 700, "alhpa", age_seconds=3_600)
    looked_at_for_half_an_hour(database)


def name_mistyped_for_later(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_records(database, 3, "alhpa", scheduled_at=filling.alive())


def name_not_registered_yet(database: DatabaseManager) -> None:
    """Records of a new flow whose application was deployed a moment before the workers that serve the flow."""
    healthy(database)
    filling.add_records(database, 3, "letters")


def corrupted(database: DatabaseManager) -> None:
    healthy(database)
    execute(
        database,
        "INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at, flow_instance_id)"
        f" SELECT 'alpha', 'processing', 1, now(), gen_random_uuid() WHERE {RESTORED}",
    )


def changed_by_hand(database: DatabaseManager) -> None:
    healthy(database)
    execute(database, "UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")


def busy_and_full(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_worker_process(
        database, "alpha", cpu_percent=97.0, memory_bytes=900, memory_limit_bytes=1_000, hostname="worker-2"
    )


def paused(database: DatabaseManager) -> None:
    standing_still(database)
    execute(database, "UPDATE flows SET paused_at = now()")


def pause_forgotten(database: DatabaseManager) -> None:
    """The state three hours after `queuectl pause alpha --reason "moving the printers"`."""
    healthy(database)
    execute(
        database,
        "UPDATE flows SET paused_at = now() - interval '3 hours', pause_reason = 'moving the printers'"
        " WHERE flow_name = 'alpha'",
    )
    execute(
        database,
        "INSERT INTO audit_log (at, actor, action, target, affected_count)"
        " SELECT paused_at, 'ben', 'pause', flow_name, 1 FROM flows WHERE flow_name = 'alpha'",
    )


def control_unserved(database: DatabaseManager) -> None:
    """No worker serves the control queue, to which a beat has been sending messages for two minutes."""
    healthy(database)
    execute(database, "UPDATE beats SET started_at = now() - interval '2 minutes'")


def clock_wrong(database: DatabaseManager) -> None:
    healthy(database)
    filling.add_worker_process(database, "alpha", clock_skew_seconds=90.0, hostname="worker-2")


def nothing_to_do(database: DatabaseManager) -> None:
    filling.add_flow(database)


def one_long_record(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_processing(database, 100, filling.add_run(database), age_seconds=3_000)


def few_outcomes_all_failed(database: DatabaseManager) -> None:
    filling.add_flow(database)
    filling.add_worker_process(database, "alpha")
    filling.add_outcomes(database, completed=0, failed=10)
    filling.add_failed(database, 10)
