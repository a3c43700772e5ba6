"""Four worker processes work on fifty flows of all kinds, while operators cancel records, pause flows and change
priorities. Every record that is neither cancelled nor recurring ends with the status and the retry_count that `ends_as`
returns. `make test-long` runs this test with 3,000 records, and `make test-mixed-day` runs it with 100,000.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store import DuplicateRecordError, IngestionStoppedError
from queue_store.database.manager import DatabaseManager
from queue_store.distributed_processor import DistributedProcessor
from tests.mixed_day.flows_of_the_day import FLOWS_OF_EACH_KIND, KINDS, PATIENT, RECURRING, ends_as
from tests.support.documents import ROOT
from tests.support.evidence import made_by
from tests.workers.processes import running_beat, running_worker, wait_until

pytestmark = pytest.mark.long

RECORDS = int(os.environ.get("MIXED_DAY_RECORDS", "3000"))
FULL_DAY_RECORDS = 100_000
EVIDENCE = ROOT / "docs" / "evidence" / "mixed-day.md"
PATIENCE_SECONDS = 60 + RECORDS / 100
FLOWS = [f"{handler.__name__}_{number}" for handler in KINDS for number in range(FLOWS_OF_EACH_KIND)]
WITH_EFFECTS = ("one_commit", "one_commit_async", "by_batch_in_one_commit")
SETTINGS = {"IDLE_POLL_SECONDS": "0.5", "FAN_OUT_SECONDS": "0.5", "TIME_SLICE_SECONDS": "2"}


@pytest.fixture
def day(database: DatabaseManager) -> Iterator[DatabaseManager]:
    rows(database, "CREATE TABLE effects_of_the_day (id bigserial, record_id bigint)")
    yield database
    rows(database, "DROP TABLE effects_of_the_day")


def rows(database: DatabaseManager, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        cursor.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def fill(database: DatabaseManager) -> None:
    """Inserts records for all flows. One flow in ten has order keys. Priorities and due times are mixed."""
    rows(
        database,
        "INSERT INTO processing_queue (flow_name, payload, priority, scheduled_at, order_key) "
        "SELECT flow, jsonb_build_object('n', n), (n + flow_number) %% 10, now() + make_interval(secs => n %% 4), "
        "CASE WHEN flow LIKE 'one\\_commit\\__' THEN 'key ' || n %% 20 END "
        "FROM unnest(%(flows)s::text[]) WITH ORDINALITY AS f(flow, flow_number), generate_series(1, %(each)s) n",
        flows=FLOWS,
        each=RECORDS // len(FLOWS),
    )


def operate(database: DatabaseManager) -> set[int]:
    """Does what operators and producers do while the workers work. Returns the ids of the records that were cancelled
    or whose handlers were asked to stop."""
    processor = DistributedProcessor(database)
    paused = FLOWS[::7]
    for flow_name in paused:
        processor.pause(flow_name, actor="operator")
    wait_until(lambda: not count(database, paused, "processing"), "the paused flows to stand still")
    finished = count(database, paused, "completed", "failed")
    pending = [row[0] for row in rows(database, "SELECT id FROM processing_queue WHERE status = 'pending'")]
    processor.change_priority(pending[::3], 0, actor="operator")
    ids = [row[0] for row in rows(database, "SELECT id FROM processing_queue WHERE id %% 25 = 0")]
    random.shuffle(ids)
    cancelled = processor.cancel(ids, actor="operator")
    awaited = produce(processor)
    assert count(database, paused, "completed", "failed") == finished
    for flow_name in paused:
        processor.resume(flow_name, actor="operator")
    assert processor.wait_for(awaited, PATIENCE_SECONDS).result == 4
    return {*cancelled.cancelled_ids, *cancelled.asked_ids, cancel_the_patient_one(processor)}


def produce(processor: DistributedProcessor) -> int:
    """Enqueues into a paused flow: one record with a key, two duplicates of it, and two records that are refused.
    Returns the id of the first record."""
    first = processor.enqueue("plain_0", {"n": 2}, dedup_key="of the day")
    skipped = processor.enqueue("plain_0", {"n": 3}, dedup_key="of the day", on_duplicate="skip")
    replaced = processor.enqueue(
        "plain_0", {"n": 4}, dedup_key="of the day", on_duplicate="replace", priority=0
    )
    assert first.id == skipped.id == replaced.id
    with pytest.raises(DuplicateRecordError):
        processor.enqueue("plain_0", {"n": 5}, dedup_key="of the day")
    processor.stop_ingestion("plain_0", actor="operator")
    with pytest.raises(IngestionStoppedError):
        processor.enqueue("plain_0", {"n": 6})
    processor.resume_ingestion("plain_0", actor="operator")
    return first.id


def cancel_the_patient_one(processor: DistributedProcessor) -> int:
    """Cancels the record whose handler waits until the record is cancelled."""
    patient = (
        "SELECT id FROM processing_queue WHERE flow_name = 'in_threads_0' AND payload->>'n' = %(n)s "
        "AND status IN ('processing', 'cancelled')"
    )
    wait_until(
        lambda: bool(rows(processor.database, patient, n=str(PATIENT))),
        "the patient record",
        None,
        PATIENCE_SECONDS,
    )
    ((record_id,),) = rows(processor.database, patient, n=str(PATIENT))
    processor.cancel([record_id], actor="operator")
    assert processor.wait_for(record_id, PATIENCE_SECONDS).status == "cancelled"
    return record_id


def count(database: DatabaseManager, flow_names: list[str], *statuses: str) -> int:
    counted = "SELECT count(*) FROM processing_queue WHERE flow_name = ANY(%(names)s) AND status = ANY(%(statuses)s)"
    return rows(database, counted, names=flow_names, statuses=list(statuses))[0][0]


def unfinished(database: DatabaseManager) -> int:
    """Counts the unfinished records, except recurring ones, which do not end with the day."""
    live = (
        "SELECT count(*) FROM processing_queue "
        "WHERE status IN ('pending', 'processing') AND payload->>'n' <> %(recurring)s"
    )
    return rows(database, live, recurring=str(RECURRING))[0][0]


@pytest.mark.timeout(int(PATIENCE_SECONDS * 2))
def test_every_record_ends_as_its_flow_says(
    day: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    options: dict[str, Any] = {
        "queues": "flows,control", "flows": "tests.mixed_day.flows_of_the_day", "settings": SETTINGS
    }  # fmt: skip
    with (
        running_worker(settings_environment, log, **options),
        running_worker(settings_environment, tmp_path / "second.log", **options),
        running_beat(settings_environment, tmp_path / "beat.log", SETTINGS),
    ):
        wait_until(
            lambda: rows(day, "SELECT count(*) FROM flows")[0][0] == len(FLOWS), "all flows registered", log
        )
        began = time.monotonic()
        fill(day)
        wait_until(lambda: unfinished(day) < RECORDS, "the first records", log)
        cancelled = operate(day)
        wait_until(lambda: unfinished(day) == 0, "the end of the day", log, PATIENCE_SECONDS)
    assert wrong_ends(day, cancelled) == []
    assert rows(day, "SELECT max(crash_strikes) FROM processing_queue") == [(0,)]
    assert wrong_effects(day) == []
    assert disorder(day) == []
    assert rows(day, "SELECT state FROM flow_execution_logs WHERE state = 'dead'") == []
    follow_ups = rows(day, "SELECT count(*) FROM processing_queue WHERE payload = '{\"n\": -1}'")[0][0]
    expected = (
        "SELECT count(*) FROM processing_queue WHERE flow_name LIKE 'in\\_threads\\__' AND status = 'completed' "
        "AND (payload->>'n')::int %% 10 = 0"
    )
    assert follow_ups == rows(day, expected)[0][0] > 0
    assert recurring_ends(day) == {1}
    if RECORDS >= FULL_DAY_RECORDS:
        urls = settings_environment["DATABASE_URL"], settings_environment["CELERY_BROKER_URL"]
        write_evidence(day, time.monotonic() - began, made_by("make test-mixed-day", *urls))


def recurring_ends(database: DatabaseManager) -> set[int]:
    """Counts the completed records of each occurrence, and returns each different count once."""
    return {
        row[0]
        for row in rows(
            database,
            "SELECT count(*) FROM processing_queue WHERE payload->>'n' = %(n)s AND status = 'completed' "
            "GROUP BY scheduled_at",
            n=str(RECURRING),
        )
    }


def write_evidence(database: DatabaseManager, seconds: float, made: str) -> None:
    ends = rows(
        database,
        "SELECT regexp_replace(flow_name, '_[0-9]$', ''), status, count(*), sum(retry_count) "
        "FROM processing_queue GROUP BY 1, 2 ORDER BY 1, 2",
    )
    table = "\n".join(
        f"| {kind} | {status} | {count:,} | {attempts:,} |" for kind, status, count, attempts in ends
    )
    EVIDENCE.write_text(
        "# A mixed day\n\n"
        f"{len(FLOWS)} flows have {RECORDS:,} records and 4 worker processes. Operators pause, cancel and change "
        "priorities, a flow recurs, and producers use keys and are refused. Every record ended as its flow says, and "
        f"the last one {seconds:,.0f} s after the first was enqueued.\n\n{made}\n\n"
        "| kind of flow | status | records | failed attempts |\n| --- | --- | --- | --- |\n" + table + "\n"
    )


def wrong_ends(database: DatabaseManager, cancelled: set[int]) -> list[Any]:
    found = rows(
        database, "SELECT id, flow_name, (payload->>'n')::int, status, retry_count FROM processing_queue"
    )
    assert len(found) >= RECORDS // len(FLOWS) * len(FLOWS)
    wrong: list[Any] = []
    for record_id, flow_name, n, status, retry_count in found:
        if n == RECURRING or (record_id in cancelled and status == "cancelled"):
            continue
        if (status, retry_count) != ends_as(flow_name.rpartition("_")[0], n):
            wrong.append((record_id, flow_name, n, status, retry_count))
    return wrong


def wrong_effects(database: DatabaseManager) -> list[Any]:
    """Returns each completed record that does not have exactly one effect, and each record that has an effect without
    being completed."""
    return rows(
        database,
        "SELECT q.id, q.status, count(e.id) FROM processing_queue q "
        "LEFT JOIN effects_of_the_day e ON e.record_id = q.id "
        "WHERE regexp_replace(q.flow_name, '_[0-9]$', '') = ANY(%(kinds)s) "
        "GROUP BY q.id HAVING count(e.id) <> (q.status = 'completed')::int",
        kinds=list(WITH_EFFECTS),
    )


def disorder(database: DatabaseManager) -> list[Any]:
    """Returns each record whose effect was written directly after the effect of a later record with the same order
    key."""
    return rows(
        database,
        "SELECT * FROM (SELECT q.id, lag(q.id) OVER (PARTITION BY q.flow_name, q.order_key ORDER BY e.id) AS before "
        "FROM effects_of_the_day e JOIN processing_queue q ON q.id = e.record_id WHERE q.order_key IS NOT NULL) o "
        "WHERE before > id",
    )
