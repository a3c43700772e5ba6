"""A flow with endless work does not keep other flows waiting: its run ends when its time slice is over and other flows
wait."""

from pathlib import Path

from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until


def test_a_second_flow_gets_its_turn_while_the_first_has_work_for_minutes(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    queue.insert("sleepy", 1_000, '{"seconds": 0.3}')
    settings = {"IDLE_POLL_SECONDS": "0.3", "TIME_SLICE_SECONDS": "1"}
    with running_worker(settings_environment, log, concurrency=1, settings=settings):
        wait_until(lambda: queue.counts().get("processing", 0) > 0, "the first flow at work", log)
        queue.insert("quick", 10)
        done = "SELECT count(*) FROM processing_queue WHERE flow_name = 'quick' AND status = 'completed'"
        wait_until(lambda: queue.value(done) == 10, "the second flow", log)
        first = "SELECT count(*) FROM processing_queue WHERE flow_name = 'sleepy' AND status = 'completed'"
        before = queue.value(first)
        wait_until(lambda: queue.value(first) > before, "the first flow again", log)
    assert queue.value("SELECT max(retry_count) FROM processing_queue") == 0


def test_a_run_alone_goes_on_beyond_its_time_slice(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    queue.insert("sleepy", 15, '{"seconds": 0.1}')
    settings = {"IDLE_POLL_SECONDS": "0.3", "TIME_SLICE_SECONDS": "0.2", "BATCH_SIZE": "5"}
    with running_worker(settings_environment, log, concurrency=1, settings=settings):
        wait_until(lambda: queue.counts() == {"completed": 15}, "all records", log)
        ended = "SELECT count(*) FROM flow_execution_logs WHERE state = 'ended'"
        wait_until(lambda: queue.value(ended) == 1, "the end of the run, which writes its counts", log)
    assert queue.rows("SELECT batch_count, records_released FROM flow_execution_logs") == [(3, 0)]
