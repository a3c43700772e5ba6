"""If a handler hangs in a real worker process, an alert names it within a minute."""

import json
from pathlib import Path

import psutil
import pytest

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

pytestmark = pytest.mark.alone

ALERT = "SELECT message FROM alerts WHERE code = 'hung_handlers' AND resolved_at IS NULL"
THRESHOLDS = {"hung_handler_seconds": 1, "hung_handler_seconds_without_history": 1}


@pytest.mark.long
def test_it_is_named_within_a_minute(queue: Queue, settings_environment: dict[str, str], log: Path) -> None:
    settings = {"IDLE_POLL_SECONDS": "0.2", "ALERT_THRESHOLDS": json.dumps(THRESHOLDS)}
    with running_worker(settings_environment, log, concurrency=1, settings=settings) as worker:
        queue.insert("sleepy", 1, '{"seconds": 600}')
        (child,) = worker.children()
        wait_until(lambda: queue.counts() == {"processing": 1}, "the handler in hand", log)
        wait_until(lambda: queue.rows(ALERT) != [], "the alert", log, 60)
        (message,) = queue.rows(ALERT)[0]
        record_id = queue.value("SELECT id FROM processing_queue")
        assert (
            f"sleepy: 1 handler runs far longer than usual: record {record_id} in process {child}" in message
        )
        assert psutil.Process(child).is_running()
