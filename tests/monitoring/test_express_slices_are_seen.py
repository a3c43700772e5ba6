"""Monitoring counts the records of an express slice as processing, although their status is still pending."""

import pytest

from queue_store.database.statements import sql
from queue_store.explain import explain_record
from queue_store.liveness import worker_processes
from queue_store.readings.flow_counts import FlowCounts, read_flow_counts
from queue_store.runs.run import Run
from queue_store.settings import ProcessorSettings
from tasks.metrics.collector import QueueCollector
from tasks.monitoring import distributed_queue_monitoring
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.metrics.test_metrics import scrape, value
from tests.runs.test_express_slices import begun, held
from tests.support.documents import code_blocks
from tests.support.store import Store, completed

STILL_ALIVE = "UPDATE flow_execution_logs SET heartbeat_at = now() + interval '1 hour'"


def beat(store: Store, run: Run) -> None:
    """Sends a heartbeat that does not become too old, however long the test takes."""
    with store.database.transaction() as cursor:
        assert worker_processes.beat_run(cursor, run.flow_instance_id, run.counts) is not None
    store.execute(STILL_ALIVE)


def counts(store: Store) -> FlowCounts:
    with store.database.transaction() as cursor:
        [flow] = read_flow_counts(cursor, "sample")
    return flow


def explained(store: Store, record_id: int) -> tuple[str, str]:
    with store.database.transaction() as cursor:
        explanation = explain_record(cursor, ProcessorSettings(), record_id)
    return explanation.code, explanation.text


@pytest.fixture
def run(store: Store) -> Run:
    """A run whose slice holds seven of the nine pending records. One of the other two records is due later."""
    run = begun(store)
    store.enqueue(8)
    store.enqueue(1, delay=3600)
    held(run, batch_size=7)
    beat(store, run)
    return run


def test_status_counts_them_as_processing(
    clean_database_url: str, store: Store, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    status = distributed_queue_monitoring()["overall_queue_status"]
    assert (status["processing_records"], status["pending_records"], status["due_records"]) == (7, 2, 1)


def test_the_page_counts_them_as_processing(store: Store, run: Run) -> None:
    with store.database.transaction() as cursor:
        request = ViewRequest(cursor, ProcessorSettings(), Arguments({"flow": "sample"}), None)
        overview, flow = VIEWS["overview"](request), VIEWS["flow"](request)
    for shown in (overview["total"], overview["flows"][0], flow["flow"]):
        assert (shown["processing"], shown["pending"], shown["due"]) == (7, 2, 1)


def test_the_statement_of_the_runbook_counts_them(store: Store, run: Run) -> None:
    statements = [
        statement for block in code_blocks("docs/runbook.md", "sql") for statement in block.code.split(";")
    ]
    [statement] = [statement for statement in statements if "records_held" in statement]
    assert store.query(statement) == [("sample", 7)]


def test_metrics_count_them_as_processing(store: Store, run: Run) -> None:
    samples = scrape(QueueCollector(store.database, ProcessorSettings()))
    records = {
        status: value(samples, "processing_queue_records", flow="sample", status=status)
        for status in ("processing", "pending")
    }
    assert records == {"processing": 7, "pending": 2}
    assert value(samples, "processing_queue_due_records", flow="sample") == 1


def test_charts_count_them_as_processing(store: Store, run: Run) -> None:
    store.execute("DELETE FROM depth_minutes")
    with store.database.transaction() as cursor:
        cursor.execute(sql("counts/sample_depths"), {"limit": 1_000})
    assert store.query("SELECT processing, pending, waiting FROM depth_minutes") == [(7, 2, 1)]


def test_beyond_the_limit_of_counting_they_are_counted_once(store: Store, run: Run) -> None:
    with store.database.transaction() as cursor:
        [flow] = cursor.execute(sql("readings/flow_counts"), {"limit": 3, "flow_name": "sample"}).fetchall()
    assert flow[1:5] == (10, 2, 1, 7)


def test_those_of_a_busy_run_are_counted_once(store: Store, run: Run) -> None:
    store.execute(
        "UPDATE flow_execution_logs SET records_claimed = 20000 + records_claimed,"
        " records_completed = 20000 + records_completed"
    )
    flow = counts(store)
    assert (flow.processing, flow.pending, flow.due) == (7, 2, 1)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE flow_execution_logs SET heartbeat_at = now() - interval '6 seconds'",
        "UPDATE flow_execution_logs SET state = 'dead', finished_at = now()",
        "UPDATE flow_execution_logs SET state = 'ended', finished_at = now()",
    ],
)
def test_of_a_run_that_is_silent_or_over_they_are_pending(store: Store, run: Run, change: str) -> None:
    store.execute(change)
    flow = counts(store)
    assert (flow.processing, flow.pending, flow.due) == (0, 9, 8)


def test_an_old_word_takes_no_more_than_what_is_due(store: Store, run: Run) -> None:
    """According to its last heartbeat, the run holds more records than are due. The run may have ended its slice since
    that heartbeat."""
    store.execute("UPDATE flow_execution_logs SET records_held = 100")
    flow = counts(store)
    assert (flow.pending, flow.due) == (1, 0)


def test_explain_finds_the_slice_and_its_run(store: Store) -> None:
    run, other = begun(store), begun(store)
    [in_hand_id, *_] = store.enqueue(3)
    other_slice = held(run, batch_size=3)
    [second_id] = store.enqueue(1)
    second = held(other, batch_size=1)
    for record_id, owner in ((in_hand_id, run), (second_id, other)):
        code, text = explained(store, record_id)
        assert code == "in_express_slice"
        assert f"run {owner.flow_instance_id} in process 1 on host" in text
    second.settle(completed(second.records))
    other_slice.roll_back()
    assert explained(store, in_hand_id)[0] == "no_worker_for_flow"
    assert explained(store, second_id)[0] == "completed"


def test_explain_takes_no_other_lock_for_a_slice(store: Store) -> None:
    begun(store)
    [record_id] = store.enqueue(1)
    with store.held().transaction() as cursor:
        cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR UPDATE", (record_id,))
        assert explained(store, record_id)[0] == "no_worker_for_flow"
