"""If a handler runs far longer than is usual for its flow, a finding names the record, the process and the host. The
finding also says when the handler began."""

from uuid import UUID

import pytest

from queue_store.alerting.findings import Finding
from queue_store.counts import rollups
from queue_store.explain import explain_flow, explain_record
from queue_store.liveness import worker_processes
from queue_store.liveness.worker_processes import InHand
from queue_store.readings.hung_handlers import read_hung_handlers
from queue_store.records import progress
from queue_store.records.record import Completed, Record
from queue_store.thresholds import Thresholds
from tasks.monitoring.rules.flow_rules import processing_rate
from tasks.monitoring.rules.handler_rules import hung_handlers
from tasks.monitoring.snapshot import take_snapshot
from tests.support.filling import alive
from tests.support.store import Store

LOOK_SECONDS = 10  # even on a busy machine, a heartbeat is read within this time


def in_hand(store: Store, seconds: float, *, count: int = 1) -> list[Record]:
    """Claims records, and reports that the process has worked on the first of them for `seconds`."""
    store.enqueue(count)
    run = store.run(batch_size=count)
    records = run.begin()
    beat(store, records[0], run.worker_process_id, run.flow_instance_id, seconds)
    return records


def beat(store: Store, record: Record, process_id: UUID, run_id: UUID, seconds: float) -> None:
    with store.database.transaction() as cursor:
        said = InHand(record.id, record.claim_number, seconds, "sample", run_id)
        assert worker_processes.beat(cursor, process_id, in_hand=said)
        cursor.execute(
            "UPDATE worker_processes SET heartbeat_at = %s WHERE worker_process_id = %s",
            (alive(), process_id),
        )


def findings(store: Store) -> list[Finding]:
    snapshot = take_snapshot(store.database, store.settings, with_integrity=False)
    return list(hung_handlers(snapshot))


def usually(store: Store, seconds: float, count: int = 30) -> None:
    """Gives the flow a history of handlers that took `seconds` each."""
    ids = store.enqueue(count)
    run = store.run(batch_size=count)
    records = run.begin()
    assert {record.id for record in records} == set(ids)
    with store.database.transaction() as cursor:
        run.write_in(cursor, [Completed(record, 1000.0, 1000.0 + seconds, None, ()) for record in records])
    run.end()
    rollups.fold(store.database)


def test_it_is_named_with_its_process_and_host_and_since_when(store: Store) -> None:
    usually(store, 0.2)
    (record,) = in_hand(store, 61)
    (finding,) = findings(store)
    assert (finding.level, finding.flow_name, finding.threshold) == ("warning", "sample", 60)
    assert 61 <= (finding.figure or 0) < 61 + LOOK_SECONDS
    since = store.value("SELECT in_hand_since FROM worker_processes WHERE in_hand_since IS NOT NULL")
    assert f"record {record.id} in process 1 on host since {since:%Y-%m-%d %H:%M:%S %Z}" in finding.message
    assert "usually at most 0.2" in finding.message
    assert f"queuectl end {record.id}" in finding.next_step


@pytest.mark.parametrize(
    ("usual_seconds", "running_seconds", "is_named"),
    [
        (0.2, 60 - LOOK_SECONDS, False),
        (0.2, 61, True),
        (20, 190, False),
        (20, 310, True),
        (None, 300 - LOOK_SECONDS, False),
        (None, 301, True),
    ],
)
def test_what_is_far_longer_depends_on_what_is_usual(
    usual_seconds: float | None, running_seconds: float, is_named: bool, store: Store
) -> None:
    if usual_seconds is not None:
        usually(store, usual_seconds)
    in_hand(store, running_seconds)
    assert bool(findings(store)) is is_named


def test_a_flow_without_history_may_run_up_to_its_time_limit(store: Store) -> None:
    store.execute("UPDATE flows SET declared = '{\"time_limit_seconds\": 900}'")
    in_hand(store, 890)
    assert findings(store) == []


def test_this_hour_of_the_week_is_history_too(store: Store) -> None:
    store.execute(
        "INSERT INTO baselines (flow_name, hour_of_week, outcomes_per_hour, processing_seconds, week_count)"
        " SELECT 'sample', n, 10, 100, 4 FROM generate_series(0, 167) n"
    )
    in_hand(store, 900)
    assert findings(store) == []


def read_allowed(store: Store) -> list[float]:
    with store.database.transaction() as cursor:
        return [hung.allowed_seconds for hung in read_hung_handlers(cursor, store.settings)]


def test_a_report_of_progress_is_a_sign_of_life(store: Store) -> None:
    (record,) = in_hand(store, 600)
    with store.database.transaction() as cursor:
        assert progress.report(cursor, record, b'{"done": 1}')
    assert findings(store) == []
    store.execute("UPDATE record_progress SET updated_at = now() - interval '301 seconds'")
    (finding,) = findings(store)
    assert 301 <= (finding.figure or 0) < 301 + LOOK_SECONDS


def test_a_record_that_has_ended_since_the_last_heartbeat_is_not_named(store: Store) -> None:
    in_hand(store, 600)
    store.execute("UPDATE worker_processes SET in_hand_claim_number = 0 WHERE in_hand_record_id IS NOT NULL")
    assert findings(store) == []


def test_a_process_that_is_silent_is_left_to_its_lease(store: Store) -> None:
    in_hand(store, 600)
    store.execute("UPDATE worker_processes SET heartbeat_at = now() - interval '1 hour'")
    assert findings(store) == []


def test_the_thresholds_of_a_flow_are_its_own(store: Store) -> None:
    in_hand(store, 20)
    own = {"hung_handler_seconds": 5, "hung_handler_seconds_without_history": 10}
    object.__setattr__(store.settings, "alert_thresholds", Thresholds(flows={"sample": own}))
    assert read_allowed(store) == [10]


def test_it_is_critical_and_containers_are_no_advice_when_no_process_is_left(store: Store) -> None:
    (record,) = in_hand(store, 600)
    store.execute("UPDATE worker_processes SET flow_names = '{sample,other}'")
    store.add_flow("other")
    store.enqueue(1, flow_name="other", delay=-3000)
    (finding,) = findings(store)
    assert finding.level == "critical"
    (slow,) = processing_rate(take_snapshot(store.database, store.settings, with_integrity=False))
    assert slow.flow_name == "other"
    assert f"queuectl end {record.id}" in slow.next_step
    with store.database.transaction() as cursor:
        explanation = explain_flow(cursor, store.settings, "other")
    assert explanation.code == "handler_hung"
    assert explanation.text.startswith("The only worker process that serves other is held by a handler")
    assert f"record {record.id} in process 1 on host since" in explanation.text


def test_a_record_in_the_batch_of_such_a_handler_says_what_it_waits_for(store: Store) -> None:
    hung, waiting = in_hand(store, 600, count=2)
    with store.database.transaction() as cursor:
        of_hung = explain_record(cursor, store.settings, hung.id)
        of_waiting = explain_record(cursor, store.settings, waiting.id)
    assert (of_hung.code, of_waiting.code) == ("handler_hung", "handler_hung")
    assert of_hung.text.startswith(f"Its handler runs far longer than usual: record {hung.id} in process 1")
    assert of_waiting.text.startswith(
        f"It waits in the batch of a handler that runs far longer than usual: record {hung.id}"
    )
    assert of_hung.reasons[0].details["handlers"][0]["hostname"] == "host"
