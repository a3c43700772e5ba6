"""A child process of a handler sends none of our statements, because no run is registered in it."""

import os
from typing import Any

from queue_store.errors import QueueStoreError
from tasks import FlowContext
from tests.support.flow_runs import Worker

REFUSED, DONE = 3, 4


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_child_reports_no_progress(worker: Worker) -> None:
    def work(payload: Any, context: FlowContext) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                context.report_progress({"by": "the child"})
            except QueueStoreError as error:
                os._exit(REFUSED if "a child process of a handler" in str(error) else DONE)
            os._exit(DONE)
        return exit_code(pid)

    [row] = worker.process(work, [1])
    assert (row.status, row.result) == ("completed", REFUSED)
    assert worker.query("SELECT record_id FROM record_progress") == []
