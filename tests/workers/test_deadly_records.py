"""One of 500 records kills real processes. This record is isolated and fails. The other records are completed,
without a failed attempt or a crash strike."""

from pathlib import Path

import pytest

from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

FLOWS = "tests.workers.deadly_flows"
STRIKES = 3
HALVINGS = 11
SETTINGS = {"HEARTBEAT_SECONDS": "0.4", "LEASE_SECONDS": "2", "IDLE_POLL_SECONDS": "0.5"}


def insert(queue: Queue, how: str, flow_name: str = "poisoned") -> None:
    register_flow(queue.database, flow_name)
    queue.insert(flow_name, 333, '{"how": "live"}')
    queue.insert(flow_name, 1, f'{{"how": "{how}"}}')
    queue.insert(flow_name, 166, '{"how": "live"}')


def is_over(queue: Queue) -> bool:
    return queue.counts() == {"completed": 499, "failed": 1}


def charges(queue: Queue, status: str) -> list[tuple[int, int, int]]:
    return queue.rows(
        "SELECT retry_count, crash_strikes, count(*)::int FROM processing_queue"
        " WHERE status = %(status)s GROUP BY 1, 2",
        status=status,
    )


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", ["segmentation fault", "exit", "memory limit"])
def test_a_record_that_kills_pool_children_fails_after_three(
    queue: Queue, settings_environment: dict[str, str], log: Path, how: str
) -> None:
    insert(queue, how)
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        wait_until(lambda: is_over(queue), f"499 records done and one failed: {queue.counts()}", log, 120)
        assert worker.popen.poll() is None
    assert charges(queue, "completed") == [(0, 0, 499)]
    assert charges(queue, "failed") == [(0, STRIKES, 1)]
    assert queue.value("SELECT count(*) FROM flow_execution_logs WHERE died_running") <= STRIKES


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_record_that_kills_an_express_slice_costs_one_process_more(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    """A slice whose process dies leaves no claim, so the first death is not charged. After that, the record is claimed
    in the usual way."""
    insert(queue, "segmentation fault", "poisoned_express")
    with running_worker(settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS) as worker:
        wait_until(lambda: is_over(queue), f"499 records done and one failed: {queue.counts()}", log, 120)
        assert worker.popen.poll() is None
    assert charges(queue, "completed") == [(0, 0, 499)]
    assert charges(queue, "failed") == [(0, STRIKES, 1)]
    assert queue.value("SELECT count(*) FROM flow_execution_logs WHERE died_running") <= STRIKES + 1


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_record_that_kills_whole_workers_is_found_by_halving(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    insert(queue, "whole worker")
    deaths = 0
    while not is_over(queue):
        assert deaths < HALVINGS + STRIKES
        with running_worker(
            settings_environment, log, concurrency=1, flows=FLOWS, settings=SETTINGS
        ) as worker:
            wait_until(
                lambda: is_over(queue) or worker.popen.poll() is not None,
                "an end or a death",
                log,
                120,
            )
            deaths += worker.popen.poll() is not None
    assert deaths <= HALVINGS + STRIKES - 1
    assert charges(queue, "completed") == [(0, 0, 499)]
    assert charges(queue, "failed") == [(0, STRIKES, 1)]
