"""An operator cancels a record that a real worker process is processing. The handler learns this from the heartbeat."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import ROOT, running_worker, wait_until

SETTINGS = {"HEARTBEAT_SECONDS": "0.2", "IDLE_POLL_SECONDS": "0.2"}
QUEUECTL = "from tasks.cli import main; main()"
IN_FLIGHT = "SELECT count(*) FROM record_progress WHERE progress = '\"in flight\"'"


def cancel(record_id: int, environment: dict[str, str]) -> dict[str, object]:
    answer = subprocess.run(
        [sys.executable, "-c", QUEUECTL, "cancel", str(record_id), "--actor", "Olga", "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return json.loads(answer.stdout)


@pytest.mark.parametrize(
    "flow_name", ["hears_a_cancel", "hears_a_cancel_async", "hears_a_cancel_with_effect"]
)
def test_a_running_record_is_cancelled_and_nothing_is_charged(
    flow_name: str, queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    with running_worker(settings_environment, log, concurrency=1, settings=SETTINGS):
        queue.insert(flow_name, 1)
        wait_until(lambda: queue.value(IN_FLIGHT) == 1, "the handler", log)
        record_id = queue.value("SELECT id FROM processing_queue")
        answer = cancel(record_id, settings_environment)
        assert answer["asked_ids"] == [record_id]
        seconds = wait_until(lambda: queue.counts() == {"cancelled": 1}, "the end of the record", log)
        queue.insert("quick", 1)  # the same process goes on
        wait_until(lambda: queue.counts() == {"cancelled": 1, "completed": 1}, "the next record", log)
    assert seconds < 20
    charged = "SELECT retry_count, crash_strikes, claim_number FROM processing_queue WHERE id = %(id)s"
    assert queue.rows(charged, id=record_id) == [(0, 0, 1)]
    assert queue.value("SELECT count(*) FROM effects") == 0
    assert queue.value("SELECT count(*) FROM cancel_requests") == 0
    assert queue.rows("SELECT outcome FROM record_attempts WHERE outcome IN ('failed', 'retried')") == []
    assert queue.rows("SELECT sum(records_failed), sum(records_retried) FROM flow_execution_logs") == [(0, 0)]
