"""A handler in a real worker may start processes with `multiprocessing`, by any start method."""

import json
from pathlib import Path

from tests.support.flow_rows import register_flow
from tests.workers.conftest import Queue
from tests.workers.processes import running_worker, wait_until

FLOWS = "tests.workers.flows_with_children"
METHODS = ("fork", "spawn", "forkserver")
KINDS = ("process", "pool", "executor")


def test_multiprocessing_works_in_a_handler(
    queue: Queue, settings_environment: dict[str, str], log: Path
) -> None:
    register_flow(queue.database, "starts")
    for method in METHODS:
        for kind in KINDS:
            queue.insert("starts", 1, json.dumps({"method": method, "kind": kind}))
    with running_worker(
        settings_environment, log, flows=FLOWS, settings={"IDLE_POLL_SECONDS": "0.3"}
    ) as worker:
        wait_until(lambda: queue.counts() == {"completed": 9}, f"nine results: {queue.counts()}", log)
        assert len(worker.children()) >= 2
        assert worker.terminate() == 0
    assert queue.rows("SELECT DISTINCT result FROM processing_queue") == [([1],)]
