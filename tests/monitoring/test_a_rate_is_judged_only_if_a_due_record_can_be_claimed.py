"""While every due record of a flow waits for an earlier record of its order_key, no finding reports the flow's rate or
backlog, and the flow needs no container."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings.waiting_for_keys import (
    GRACE_SECONDS,
    KEY_LIMIT,
    RECORD_LIMIT,
    read_flows_waiting_for_keys,
)
from tasks.monitoring import calculate_capacity_utilization, distributed_queue_monitoring
from tests.support import filling
from tests.support.troubles import execute, looked_at_for_half_an_hour

BASELINES = """
INSERT INTO baselines (flow_name, hour_of_week, outcomes_per_hour, week_count)
SELECT 'alpha', hour, 1000, 4 FROM generate_series(0, 167) AS hour
"""
KEYED = """
INSERT INTO processing_queue (flow_name, order_key, scheduled_at)
SELECT 'alpha', 'key-' || k, now() + make_interval(secs => CASE WHEN n = 1 THEN %(head)s ELSE -2000 END)
FROM generate_series(1, %(keys)s) k, generate_series(1, %(records)s) n ORDER BY k, n
"""
FAILED = """
INSERT INTO processing_queue (flow_name, order_key, status, error_message)
SELECT 'alpha', 'key-' || k, 'failed', 'no' FROM generate_series(2, %(last)s, 2) k
"""


@pytest.fixture(autouse=True)
def _configured(monkeypatch: pytest.MonkeyPatch, clean_database_url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    for name, value in filling.SHORT_LEASE.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def keyed(database: DatabaseManager) -> DatabaseManager:
    """600 due records wait. Each waits for an earlier record of its key that is not due yet, such as a retry or a
    snoozed record. In every second key, a failed record comes before that record, and blocks the key."""
    filling.add_flow(database, declared='{"failure_blocks_key": true}')
    filling.add_worker_process(database, "alpha")
    execute(database, FAILED, last=30)
    execute(database, KEYED, head=3_000, keys=30, records=21)
    execute(database, BASELINES)
    looked_at_for_half_an_hour(database)
    return database


def codes() -> set[str]:
    return {finding["code"] for finding in distributed_queue_monitoring()["findings"]}


def waits(database: DatabaseManager, *flow_names: str) -> set[str]:
    with database.transaction() as cursor:
        return read_flows_waiting_for_keys(cursor, flow_names or ("alpha",), grace_seconds=GRACE_SECONDS)


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def containers(monkeypatch: pytest.MonkeyPatch) -> tuple[int, bool]:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_CAPACITY_RATE_PER_HOUR", "1")
    found = calculate_capacity_utilization()
    return found["needed_containers"], found["scale_up"]


def test_such_a_flow_has_no_finding_and_needs_no_container(
    keyed: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert waits(keyed) == {"alpha"}
    assert codes() == set()
    assert containers(monkeypatch) == (1, False)


def without_key(database: DatabaseManager, seconds: float) -> None:
    filling.add_records(database, 1, priority=9, scheduled_at=ago(seconds))


def another_key(database: DatabaseManager, seconds: float) -> None:
    filling.add_records(database, 1, order_key="zulu", scheduled_at=ago(seconds))


def head_is_due(database: DatabaseManager, seconds: float) -> None:
    due = (
        "UPDATE processing_queue SET scheduled_at = %(at)s WHERE order_key = 'key-1' AND scheduled_at > now()"
    )
    execute(database, due, at=ago(seconds))


def suspect(database: DatabaseManager, seconds: float) -> None:
    filling.add_records(database, 1, order_key="zulu", batch_limit=1, scheduled_at=ago(seconds))


def add_running(database: DatabaseManager, due_seconds: float, claimed_seconds: float) -> None:
    run = filling.add_run(database)
    claim: dict[str, Any] = {"claim_number": 1, "claimed_at": ago(claimed_seconds), "flow_instance_id": run}
    due: dict[str, Any] = {"order_key": "zulu", "scheduled_at": ago(due_seconds)}
    filling.add_records(database, 1, status="processing", **due, **claim)


def head_is_running(database: DatabaseManager, seconds: float) -> None:
    """The handler of the running record may be slower than usual, so the rate is judged."""
    add_running(database, seconds, seconds)


MOVES = [without_key, another_key, head_is_due, suspect, head_is_running]


@pytest.mark.parametrize("moves", MOVES)
def test_one_record_that_moves_is_enough_for_all_findings(
    moves: Callable[[DatabaseManager, float], None], keyed: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves(keyed, 2 * GRACE_SECONDS)
    assert waits(keyed) == set()
    assert codes() == {"processing_rate", "rate_below_usual", "backlog"}
    needed, scale_up = containers(monkeypatch)
    assert needed > 1
    assert scale_up


@pytest.mark.parametrize("moves", MOVES)
def test_a_record_that_moves_for_a_moment_changes_nothing(
    moves: Callable[[DatabaseManager, float], None], keyed: DatabaseManager
) -> None:
    """The first records of the keys are retried or snoozed again and again. Without GRACE_SECONDS, the findings would
    come and go with each retry and each snooze."""
    moves(keyed, 1)
    assert waits(keyed) == {"alpha"}
    assert codes() == set()


def test_a_record_that_was_due_long_before_its_claim_moves(keyed: DatabaseManager) -> None:
    """If each record of a key takes a minute, the current claim is always young. So a long-due record counts as moving
    even if its claim is young."""
    add_running(keyed, 2 * GRACE_SECONDS, 1)
    assert waits(keyed) == set()


def test_a_failed_record_blocks_only_where_the_flow_says_so(database: DatabaseManager) -> None:
    filling.add_flow(database, declared='{"failure_blocks_key": true}')
    execute(database, FAILED, last=2)
    filling.add_records(database, 2, order_key="key-2", age_seconds=2_000)
    assert waits(database) == {"alpha"}
    execute(database, "UPDATE flows SET declared = '{}'")
    assert waits(database) == set()


def test_other_flows_are_still_judged(keyed: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    filling.add_flow(keyed, "beta")
    filling.add_records(keyed, 90, "beta", age_seconds=2_000)
    execute(keyed, "UPDATE worker_processes SET flow_names = '{alpha,beta}'")
    found = distributed_queue_monitoring()["findings"]
    assert [(f["code"], f["flow_name"]) for f in found] == [("processing_rate", "beta")]
    assert containers(monkeypatch) == (1, False)
    assert waits(keyed, "alpha", "beta") == {"alpha"}


def test_a_missing_worker_is_reported_all_the_same(keyed: DatabaseManager) -> None:
    execute(keyed, "UPDATE worker_processes SET state = 'ended', ended_at = now()")
    assert codes() == {"all_workers_gone"}


def test_the_look_is_short_however_many_keys_and_records_wait(database: DatabaseManager) -> None:
    """If the search reaches a limit, the flow counts as one in which a due record can be claimed."""
    filling.add_flow(database)
    execute(database, KEYED, head=3_000, keys=KEY_LIMIT - 1, records=2)
    assert waits(database) == {"alpha"}
    execute(database, KEYED.replace("key-", "more-"), head=3_000, keys=1, records=2)
    assert waits(database) == set()


def test_failed_records_that_block_nothing_are_counted_by_the_limit(database: DatabaseManager) -> None:
    filling.add_flow(database)
    execute(database, FAILED, last=2 * KEY_LIMIT)
    execute(database, KEYED.replace("key-", "later-"), head=3_000, keys=1, records=2)
    assert waits(database) == set()


def test_many_records_of_one_key_wait_for_its_first(database: DatabaseManager) -> None:
    filling.add_flow(database)
    execute(database, KEYED, head=3_000, keys=1, records=RECORD_LIMIT)
    assert waits(database) == {"alpha"}
    filling.add_records(database, 1, order_key="key-1", scheduled_at=ago(2_000))
    assert waits(database) == set()


def test_a_record_without_a_key_is_found_between_many_with_keys(database: DatabaseManager) -> None:
    filling.add_flow(database)
    for records in (1_500, 1_500):
        execute(database, KEYED, head=3_000, keys=1, records=records)
        execute(database, "UPDATE processing_queue SET scheduled_at = scheduled_at - interval '100 s'")
    filling.add_records(database, 1, scheduled_at=ago(2_150))
    assert waits(database) == set()
