"""Each action of an operator has its effect, and writes an audit row in the same transaction."""

import threading
from datetime import timedelta
from typing import Any

import psycopg
import psycopg.errors
import pytest

from queue_store import (
    DatabaseManager,
    DistributedProcessor,
    IngestionStoppedError,
    UnknownFlowError,
    enqueue,
    enqueue_many,
)
from tests.support.filling import add_failed, add_records
from tests.support.flow_rows import register_flow, start_processing
from tests.support.locks import wait_until_blocked

NOBODY = 2**62  # an id that no record has
PLAIN_INSERT = "INSERT INTO processing_queue (flow_name) VALUES ('survey')"


@pytest.fixture
def processor(database: DatabaseManager) -> DistributedProcessor:
    register_flow(database, "survey")
    register_flow(database, "letters")
    return DistributedProcessor(database)


def query(processor: DistributedProcessor, statement: str) -> list[tuple[Any, ...]]:
    with processor.database.transaction() as cursor:
        return cursor.execute(statement.encode()).fetchall()


def audit(processor: DistributedProcessor) -> list[tuple[Any, ...]]:
    return query(processor, "SELECT actor, action, target, affected_count FROM audit_log ORDER BY id")


def test_stopped_ingestion_refuses_everyone_but_a_runs_follow_ups(processor: DistributedProcessor) -> None:
    processor.stop_ingestion("survey", actor="Olga", reason="the disk is full")
    with pytest.raises(IngestionStoppedError, match=r"flow survey: the disk is full.*resume --ingestion"):
        processor.enqueue("survey", {})
    with pytest.raises(IngestionStoppedError):
        processor.enqueue_many("survey", [{}])
    with (
        pytest.raises(psycopg.Error, match="ingestion is stopped") as caught,
        psycopg.connect(
            processor.database.engine.url.set(drivername="postgresql").render_as_string(False)
        ) as plain,
    ):
        plain.execute(PLAIN_INSERT)
    assert caught.value.sqlstate == "PQ001"
    processor.enqueue("letters", {})
    with processor.database.transaction() as cursor:
        enqueue(cursor, "survey", {}, is_follow_up=True)
        enqueue_many(cursor, "survey", [{}, {}], is_follow_up=True)
    assert query(processor, "SELECT flow_name, count(*) FROM processing_queue GROUP BY 1 ORDER BY 1") == [
        ("letters", 1),
        ("survey", 3),
    ]


def test_a_follow_up_opens_the_door_for_its_own_transaction_only(processor: DistributedProcessor) -> None:
    processor.stop_ingestion(None, actor="Olga")
    with processor.database.hold() as held:
        with held.transaction() as cursor:
            enqueue(cursor, "survey", {}, is_follow_up=True)
        with pytest.raises(IngestionStoppedError), held.transaction() as cursor:
            cursor.execute(PLAIN_INSERT)


def test_ingestion_goes_on_where_it_was_stopped(processor: DistributedProcessor) -> None:
    processor.stop_ingestion(None, actor="Olga")
    processor.stop_ingestion("survey", actor="Olga")
    processor.resume_ingestion(None, actor="Olga")
    processor.enqueue("letters", {})
    with pytest.raises(IngestionStoppedError):
        processor.enqueue("survey", {})
    processor.resume_ingestion("survey", actor="Olga")
    processor.enqueue("survey", {})


def test_each_deed_is_audited_with_what_it_changed(processor: DistributedProcessor) -> None:
    processor.pause("survey", actor="Olga", reason="rain")
    processor.pause("survey", actor="Paul")
    processor.resume("survey", actor="Paul")
    processor.stop_processing(actor="Olga")
    processor.resume_processing(actor="Olga")
    processor.stop_ingestion("letters", actor="Olga")
    processor.resume_ingestion("letters", actor="Olga")
    record_id = processor.enqueue("survey", {}).id
    processor.cancel([record_id, NOBODY], actor="Olga", reason="obsolete")
    assert audit(processor) == [
        ("Olga", "pause", "survey", 1),
        ("Paul", "pause", "survey", 0),
        ("Paul", "resume", "survey", 1),
        ("Olga", "stop_processing", "all flows", 1),
        ("Olga", "resume_processing", "all flows", 1),
        ("Olga", "stop_flow_ingestion", "letters", 1),
        ("Olga", "resume_flow_ingestion", "letters", 1),
        ("Olga", "cancel", f"records {record_id}", 1),
    ]
    assert query(
        processor, "SELECT details->>'reason' FROM audit_log WHERE action = 'pause' ORDER BY id"
    ) == [
        ("rain",),
        (None,),
    ]


def test_a_deed_that_fails_leaves_no_audit(processor: DistributedProcessor) -> None:
    with pytest.raises(UnknownFlowError, match="did you mean survey"):
        processor.pause("survye", actor="Olga")
    assert audit(processor) == []


def test_a_reset_keeps_the_attempts_and_skips_what_has_a_twin(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey", dedup_key="a")
    add_failed(processor.database, 1, "survey", dedup_key="b")
    first, second = (row[0] for row in query(processor, "SELECT id FROM processing_queue ORDER BY id"))
    processor.enqueue("survey", {}, dedup_key="a")
    done = processor.reset([first, second, NOBODY], actor="Olga")
    assert (done.reset_ids, done.skipped_ids) == ([second], [first, NOBODY])
    found = query(processor, "SELECT id, status, retry_count FROM processing_queue ORDER BY id LIMIT 2")
    assert found == [(first, "failed", 4), (second, "pending", 4)]


def test_of_two_failed_twins_the_newer_is_reset(processor: DistributedProcessor) -> None:
    for _ in range(2):
        add_failed(processor.database, 1, "survey", dedup_key="a")
    older, newer = (row[0] for row in query(processor, "SELECT id FROM processing_queue ORDER BY id"))
    done = processor.reset([older, newer], actor="Olga")
    assert (done.reset_ids, done.skipped_ids) == ([newer], [older])


def test_a_reset_that_meets_a_twin_just_being_enqueued_skips(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey", dedup_key="a")
    ((failed_id,),) = query(processor, "SELECT id FROM processing_queue")
    results: list[Any] = []
    rival = threading.Thread(target=lambda: results.append(processor.reset([failed_id], actor="Olga")))
    with processor.database.transaction() as cursor:
        enqueue(cursor, "survey", {}, dedup_key="a")
        rival.start()
        wait_until_blocked(processor.database)
    rival.join()
    assert (results[0].reset_ids, results[0].skipped_ids) == ([], [failed_id])


def test_failed_records_are_found_by_what_is_known_of_them(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey", error_message="Timeout at 10.0.0.1", retry_count=1)
    add_failed(processor.database, 1, "survey", error_message="100%_wrong", retry_count=3)
    add_failed(processor.database, 1, "letters", retry_count=1, crash_strikes=3)
    first, second, third = (row[0] for row in query(processor, "SELECT id FROM processing_queue ORDER BY id"))
    assert processor.find_failed() == [first, second, third]
    assert processor.find_failed("survey") == [first, second]
    assert processor.find_failed(error="timeout") == [first]
    assert processor.find_failed(error="%_w") == [second]
    assert processor.find_failed(retry_count_below=3) == [first, third]
    assert processor.find_failed(retry_count_below=3, crash_strikes_below=3) == [first]


def test_the_old_name_of_find_unfinished_warns(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    with pytest.warns(DeprecationWarning, match="find_unfinished"):
        assert processor.find_live("survey") == [record_id]


def test_many_records_are_changed_in_chunks(processor: DistributedProcessor) -> None:
    processor.enqueue_many("survey", ({} for _ in range(2_500)))
    ids = processor.find_unfinished("survey")
    assert len(processor.cancel(ids, actor="Olga").cancelled_ids) == 2_500
    assert [row[3] for row in audit(processor)] == [1_000, 1_000, 500]


def test_a_running_record_is_asked_and_not_touched(processor: DistributedProcessor) -> None:
    record_id = processor.enqueue("survey", {}).id
    start_processing(processor.database, record_id)
    assert processor.find_unfinished("survey", include_running=False) == []
    assert processor.cancel([record_id], actor="Olga").asked_ids == [record_id]
    assert query(processor, "SELECT status FROM processing_queue") == [("processing",)]


def test_a_purge_takes_finished_records_that_are_old_enough(processor: DistributedProcessor) -> None:
    for minutes in (5, 15):
        add_failed(processor.database, 2, "survey", retry_count=1)
        with processor.database.transaction() as cursor:
            cursor.execute(
                "UPDATE processing_queue SET updated_at = now() - make_interval(mins => %s) WHERE updated_at > now()"
                " - interval '1 minute'",
                (minutes,),
            )
    add_records(processor.database, 1, "survey")
    ten_minutes = timedelta(minutes=10)
    assert processor.purge("failed", ten_minutes, actor="beat", retry_count_at_least=2) == 0
    assert processor.purge("failed", ten_minutes, actor="beat", flow_name="letters") == 0
    assert processor.purge("completed", ten_minutes, actor="beat") == 0
    assert processor.purge("failed", ten_minutes, actor="beat") == 2
    statuses = query(processor, "SELECT status, count(*) FROM processing_queue GROUP BY 1 ORDER BY 1")
    assert statuses == [("failed", 2), ("pending", 1)]
    assert [(actor, action, count) for actor, action, _, count in audit(processor)][-1] == (
        "beat",
        "purge failed",
        2,
    )
