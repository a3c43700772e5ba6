"""`queuectl drain` stops the ingestion of a flow, and waits until the flow is empty."""

import json
import threading
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result

from queue_store import IngestionStoppedError
from queue_store.distributed_processor import DistributedProcessor
from queue_store.readings.unfinished import UnfinishedCounts
from tasks.app import app
from tasks.cli import drain, main
from tests.support.flow_runs import Worker


def handler(payload: int) -> None:
    """Does nothing."""


@pytest.fixture(autouse=True)
def configured(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUECTL_ACTOR", "Olga")
    monkeypatch.setattr(app.conf, "broker_url", "redis://here")
    monkeypatch.setattr(drain, "LOOK_SECONDS", 0.02)


def test_it_returns_when_the_workers_have_emptied_the_flow(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = worker.declare(handler)
    worker.enqueue("handler", range(20))
    look = drain.look

    def look_before_they_work(queue: DistributedProcessor, flow_name: str) -> UnfinishedCounts:
        left = look(queue, flow_name)
        worker.run(flow)
        return left

    monkeypatch.setattr(drain, "look", look_before_they_work)
    result = CliRunner().invoke(main, ["drain", "handler", "--timeout", "60"])
    assert result.exit_code == 0, result.output
    assert "handler: 20 due, 0 due later, 0 processing" in result.stderr
    assert "handler is empty" in result.stdout
    assert worker.statuses() == {"completed": 20}
    with pytest.raises(IngestionStoppedError):
        DistributedProcessor(worker.services.database).enqueue("handler", 1)


def test_it_says_what_is_left_when_the_time_is_over(worker: Worker) -> None:
    worker.declare(handler)
    processor = DistributedProcessor(worker.services.database)
    processor.enqueue_many("handler", range(3))
    processor.enqueue("handler", 4, scheduled_at=timedelta(hours=1))
    result = CliRunner().invoke(main, ["drain", "handler", "--timeout", "0"])
    assert result.exit_code == 4
    assert "not empty after 0 s: 3 due, 1 due later, 0 processing" in result.stderr
    result = CliRunner().invoke(main, ["drain", "handler", "--timeout", "0.1", "--json"])
    assert result.exit_code == 4
    assert json.loads(result.stdout) == {
        "flow_name": "handler", "is_empty": False, "ingestion_stopped": True, "open_writers": 0,
        "due": 3, "due_later": 1, "processing": 0,
    }  # fmt: skip


def test_what_was_inserted_before_the_stop_and_is_committed_after_it_is_waited_for(worker: Worker) -> None:
    flow = worker.declare(handler)
    results: list[Result] = []

    def call() -> None:
        results.append(CliRunner().invoke(main, ["drain", "handler", "--timeout", "30"]))

    draining = threading.Thread(target=call)
    with worker.services.database.transaction() as cursor:
        cursor.execute("INSERT INTO processing_queue (flow_name) VALUES ('handler')")
        short = CliRunner().invoke(main, ["drain", "handler", "--timeout", "0.1"])
        assert (short.exit_code, "1 transaction that" in short.stderr) == (4, True)
        draining.start()
        draining.join(0.3)
        assert draining.is_alive()
    worker.run(flow)
    draining.join(30)
    assert results[0].exit_code == 0, results[0].output
    assert worker.statuses() == {"completed": 1}


@pytest.mark.parametrize(
    ("arguments", "exit_code"), [(["no_such_flow"], 1), (["handler", "--timeout", "-1"], 64), ([], 64)]
)
def test_what_cannot_be_drained_is_refused(worker: Worker, arguments: list[str], exit_code: int) -> None:
    worker.declare(handler)
    result = CliRunner().invoke(main, ["drain", *arguments])
    assert result.exit_code == exit_code
    assert "Traceback" not in result.output
