"""For each state of a record and of a flow, `explain` gives the right reason."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.errors import UnknownFlowError, UnknownRecordError
from queue_store.explain import Explanation, explain_flow, explain_record, registered_codes
from queue_store.settings import ProcessorSettings
from tests.support.restoring import RESTORED

# The lease is long, so that no process falls silent during a test.
SETTINGS = ProcessorSettings(heartbeat_seconds=60, lease_seconds=600)
RUN = "0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d01"

FLOW = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds, max_runs, declared)
VALUES ('alpha', 'flows', 100, 3, 7200, %(max_runs)s, %(declared)s::jsonb)
"""
PROCESS = """
INSERT INTO worker_processes (worker_process_id, worker_id, hostname, pid, flow_names, state)
VALUES ('0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d02', gen_random_uuid(), 'box', 77, ARRAY['alpha'], 'running')
"""
OWNER = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id)
VALUES ('0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d01', 'alpha', '0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d02')
"""
HANGS = """
UPDATE worker_processes w SET in_hand_record_id = q.id, in_hand_claim_number = q.claim_number,
    in_hand_flow_name = q.flow_name, in_hand_run_id = q.flow_instance_id, in_hand_since = now() - interval '10 minutes'
FROM processing_queue q WHERE q.status = 'processing'
"""
PENDING = "INSERT INTO processing_queue (flow_name) VALUES ('alpha')"
CLAIMED = f"""
INSERT INTO processing_queue (flow_name, status, claimed_at, flow_instance_id, claim_number)
SELECT 'alpha', 'processing', now(), '0b0f5a0e-6f0c-4d5b-9a63-3a8f0f6c1d01', 1 WHERE {RESTORED}
"""

Store = Callable[..., None]


@pytest.fixture
def store(database: DatabaseManager) -> Store:
    """Returns a function that inserts a flow and, by default, a worker process that serves it. The function then
    executes the given statements."""

    def write(
        *statements: str, max_runs: int | None = None, worker: bool = True, declared: str = "{}"
    ) -> None:
        with database.transaction() as cursor:
            cursor.execute(FLOW, {"max_runs": max_runs, "declared": declared})
            for statement in ([PROCESS] if worker else []) + list(statements):
                cursor.execute(statement.encode())

    return write


def explain(database: DatabaseManager, record_id: int | None = None) -> Explanation:
    with database.transaction() as cursor:
        row = cursor.execute("SELECT max(id) FROM processing_queue").fetchone()
        return explain_record(cursor, SETTINGS, record_id or (row[0] if row else 0))


def of_flow(database: DatabaseManager, flow_name: str = "alpha") -> Explanation:
    with database.transaction() as cursor:
        return explain_flow(cursor, SETTINGS, flow_name)


def codes(explanation: Explanation) -> list[str]:
    return [reason.code for reason in explanation.reasons]


SILENT = "UPDATE flow_execution_logs SET heartbeat_at = now() - interval '500 seconds'"
RECORDS: dict[str, list[str]] = {
    "waiting_for_claim": [PENDING],
    "not_due_yet": [PENDING, "UPDATE processing_queue SET scheduled_at = now() + interval '1 hour'"],
    "waiting_for_retry": [
        "INSERT INTO processing_queue (flow_name, scheduled_at, retry_count, error_message)"
        f" SELECT 'alpha', now() + interval '1 hour', 1, 'boom' WHERE {RESTORED}"
    ],
    "processing_stopped": [PENDING, "UPDATE queue_control SET processing_stopped_at = now()"],
    "flow_paused": [PENDING, "UPDATE flows SET paused_at = now(), pause_reason = 'moving'"],
    "no_worker_for_flow": [PENDING, "UPDATE worker_processes SET flow_names = ARRAY['other']"],
    "no_worker_alive": [PENDING, "UPDATE worker_processes SET heartbeat_at = now() - interval '1 hour'"],
    "workers_stopping": [PENDING, "UPDATE worker_processes SET state = 'stopping'"],
    "waiting_for_key": ["INSERT INTO processing_queue (flow_name, order_key) VALUES ('alpha', 'k'), ('alpha', 'k')"],
    "isolated_as_suspect": [PENDING, "UPDATE processing_queue SET batch_limit = 1, crash_strikes = 1"],
    "behind_others": [PENDING, "INSERT INTO processing_queue (flow_name, priority) VALUES ('alpha', 9)"],
    "running": [OWNER, CLAIMED],
    "owner_missing": [CLAIMED],
    "owner_gone": [OWNER, CLAIMED, "UPDATE flow_execution_logs SET state = 'dead', finished_at = now()"],
    "owner_silent": [OWNER, CLAIMED, SILENT],
    "handler_hung": [OWNER, CLAIMED, HANGS],
    "claimed_too_long_ago": [OWNER, CLAIMED, "UPDATE processing_queue SET claimed_at = now() - interval '3 hours'"],
    "cancel_asked": [
        OWNER, CLAIMED, "INSERT INTO cancel_requests (record_id, requested_by) SELECT id, 'eve' FROM processing_queue"
    ],
    "completed": [OWNER, CLAIMED, "UPDATE processing_queue SET status = 'completed', completed_at = now()"],
    "failed": [OWNER, CLAIMED, "UPDATE processing_queue SET status = 'failed', error_message = 'boom'"],
    "cancelled": [PENDING, "UPDATE processing_queue SET status = 'cancelled'"],
}  # fmt: skip


@pytest.mark.parametrize("code", RECORDS)
def test_each_state_of_a_record_has_its_reason(code: str, database: DatabaseManager, store: Store) -> None:
    store(*RECORDS[code])
    explanation = explain(database)
    assert explanation.code == code
    assert explanation.text == explanation.reasons[0].text


def test_a_full_cap_says_who_holds_it(database: DatabaseManager, store: Store) -> None:
    store(OWNER, PENDING, max_runs=1)
    explanation = explain(database)
    assert explanation.code == "runs_capped"
    assert explanation.reasons[0].details["flow_instance_ids"] == [RUN]
    assert "box, process 77" in explanation.text


def test_a_name_that_no_worker_knows_is_said(database: DatabaseManager, store: Store) -> None:
    store("INSERT INTO processing_queue (flow_name) VALUES ('alhpa')")
    assert explain(database).code == "no_worker_for_flow"
    assert "alhpa is not a registered flow" in explain(database).text


def test_a_failed_record_blocks_its_key_only_where_the_flow_says_so(
    database: DatabaseManager, store: Store
) -> None:
    keyed = "INSERT INTO processing_queue (flow_name, order_key, status, error_message)"
    failed, follower = (
        keyed + " VALUES ('alpha', 'k', 'failed', 'x')",
        keyed + " VALUES ('alpha', 'k', 'pending', NULL)",
    )
    store(failed, follower)
    assert "waiting_for_key" not in codes(explain(database))
    with database.transaction() as cursor:
        cursor.execute("""UPDATE flows SET declared = '{"failure_blocks_key": true}'""")
    assert explain(database).code == "waiting_for_key"


def test_what_blocks_is_named_before_what_only_delays(database: DatabaseManager, store: Store) -> None:
    store(PENDING, PENDING, "UPDATE flows SET paused_at = now()")
    assert codes(explain(database)) == ["flow_paused", "behind_others", "waiting_for_claim"]


def test_the_rescue_of_a_silent_owner_is_announced_with_its_instant(
    database: DatabaseManager, store: Store
) -> None:
    store(OWNER, CLAIMED, SILENT)
    with database.transaction() as cursor:
        row = cursor.execute(
            "SELECT greatest(heartbeat_at, pg_postmaster_start_time()) FROM flow_execution_logs"
        ).fetchone()
    until = explain(database).reasons[0].until
    assert row is not None
    assert until is not None
    assert (until - row[0]).total_seconds() == pytest.approx(SETTINGS.lease_seconds, abs=1)


def test_an_unknown_record_is_an_error_that_says_what_to_do(database: DatabaseManager) -> None:
    with pytest.raises(UnknownRecordError, match="there is no record 4711: it was purged"):
        explain(database, 4711)


FLOWS: dict[str, list[str]] = {
    "nothing_due": [],
    "work_waits": [PENDING],
    "flow_paused": ["UPDATE flows SET paused_at = now()"],
    "processing_stopped": ["UPDATE queue_control SET processing_stopped_at = now()"],
    "ingestion_stopped": ["UPDATE flows SET ingestion_stopped_at = now()"],
    "no_worker_alive": ["UPDATE worker_processes SET state = 'ended', ended_at = now()"],
    "no_worker_for_flow": ["UPDATE worker_processes SET flow_names = '{}'"],
    "workers_stopping": ["UPDATE worker_processes SET state = 'stopping'"],
    "claims_fail": [
        PENDING,
        "UPDATE flows SET claims_failed = 3, claims_failed_at = now(), claims_failing_since = now(),"
        " claims_error = 'ValueError'",
    ],
    "isolated_records": [PENDING, "UPDATE processing_queue SET batch_limit = 1"],
}


@pytest.mark.parametrize("code", FLOWS)
def test_each_state_of_a_flow_has_its_reason(code: str, database: DatabaseManager, store: Store) -> None:
    store(*FLOWS[code])
    assert of_flow(database).code == code


def test_a_moving_flow_says_who_moves_it(database: DatabaseManager, store: Store) -> None:
    store(OWNER, PENDING, max_runs=1)
    assert codes(of_flow(database)) == ["runs_capped", "work_waits", "runs_alive"]


def test_the_oldest_due_record_may_have_the_lowest_priority(
    database: DatabaseManager, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("queue_store.explain.facts.COUNT_LIMIT", 2)
    old = "INSERT INTO processing_queue (flow_name, priority, scheduled_at) VALUES ('alpha', 9, now() - interval '1 h')"
    store(old, *[PENDING] * 3)
    assert "the oldest for 1 h" in of_flow(database).text


def test_a_flow_that_nobody_knows_is_an_error(database: DatabaseManager) -> None:
    with pytest.raises(UnknownFlowError, match="no flow 'beta' is registered"):
        of_flow(database, "beta")


def test_every_registered_reason_is_tested_here() -> None:
    tested = {*RECORDS, *FLOWS, "runs_capped", "runs_alive", "in_express_slice"}
    assert set(registered_codes()) == tested


def test_every_explanation_can_be_sent_as_json(database: DatabaseManager, store: Store) -> None:
    import json

    store(OWNER, CLAIMED, SILENT)
    answer: Any = json.loads(json.dumps(explain(database).as_json()))
    assert answer["code"] == "owner_silent"
    assert answer["reasons"][0]["until"]


FAILED = "UPDATE processing_queue SET status = 'failed', error_message = 'boom'"
ATTEMPT = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group)
SELECT id, 1, 1, 'alpha', gen_random_uuid(), 'failed', 'ValueError', 'boom', 'ValueError: boom' FROM processing_queue
"""


@pytest.mark.parametrize(
    ("retries", "strikes", "charged"),
    [
        (1, 0, " after 1 failed attempt: "),
        (2, 0, " after 2 failed attempts: "),
        (0, 3, " after 3 crash strikes: "),
        (2, 1, " after 2 failed attempts and 1 crash strike: "),
        (0, 0, ": "),
    ],
)
def test_a_failure_counts_what_was_charged_and_names_the_type_of_its_error(
    database: DatabaseManager, store: Store, retries: int, strikes: int, charged: str
) -> None:
    store(OWNER, CLAIMED, FAILED, ATTEMPT)
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE processing_queue SET retry_count = %(retries)s, crash_strikes = %(strikes)s",
            {"retries": retries, "strikes": strikes},
        )
    reason = explain(database).reasons[0]
    ended = re.sub(r"\d{4}-\d\d-\d\d \S+ \S+?(?=:? )", "then", reason.text, count=1)
    assert ended.split("ValueError: boom. ")[0] == f"It failed at then{charged}"
    assert (reason.details["exception_type"], reason.details["error_message"]) == ("ValueError", "boom")


def test_a_wait_for_a_retry_names_the_type_of_the_error(database: DatabaseManager, store: Store) -> None:
    store(*RECORDS["waiting_for_retry"], ATTEMPT)
    reason = explain(database).reasons[0]
    assert reason.text.startswith("1 attempt failed, the last with: ValueError: boom. The next attempt")
    assert (reason.details["exception_type"], reason.details["error_message"]) == ("ValueError", "boom")


def test_a_message_that_no_attempt_left_has_no_type(database: DatabaseManager, store: Store) -> None:
    store(OWNER, CLAIMED, FAILED, ATTEMPT, "UPDATE processing_queue SET error_message = 'moved by hand'")
    reason = explain(database).reasons[0]
    assert ": moved by hand. " in reason.text
    assert reason.details["exception_type"] is None
