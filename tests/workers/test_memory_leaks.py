"""If a handler leaks memory, its process is replaced before the leak fills the machine's memory. No record is
charged."""

from pathlib import Path

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until


def test_a_process_that_outgrows_its_bound_is_replaced_in_the_middle_of_a_batch(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    settings = {
        "MAX_MEMORY_MB": "300", "BATCH_SIZE": "100", "HEARTBEAT_SECONDS": "0.2", "IDLE_POLL_SECONDS": "0.3",
    }  # fmt: skip
    queue.insert("leaky", 60, '{"n": $n, "megabytes": 15}')
    with running_worker(settings_environment, log, concurrency=1, settings=settings):
        wait_until(lambda: queue.counts() == {"completed": 60}, "all records", log, 60)
    assert queue.rows("SELECT max(retry_count), max(crash_strikes) FROM processing_queue") == [(0, 0)]
    assert queue.value("SELECT count(*) FROM worker_processes WHERE state = 'ended'") >= 2
    # Without the limit, the process would need more than 1000 MB.
    assert queue.value("SELECT max(memory_bytes) / 1048576 FROM worker_processes") < 800
    assert queue.value("SELECT sum(records_released) FROM flow_execution_logs") > 0
