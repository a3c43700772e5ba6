"""If a run breaks after it has called handlers, its claims without an outcome count as unfinished. Otherwise, a record
that breaks each of its runs would never be isolated."""

import pytest

from tasks.run_loop.guest import ProcessState
from tasks.run_loop.loop import run_flow
from tests.support.flow_runs import Worker


def test_the_run_breaks_while_it_ends(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []

    def breaks(_: ProcessState) -> None:
        raise RuntimeError("the process cannot be put back")

    def handle(payload: int) -> None:
        called.append(payload)
        monkeypatch.setattr(ProcessState, "put_back", breaks)

    flow = worker.declare(handle, name="sample")
    worker.enqueue("sample", [1, 2])
    with pytest.raises(RuntimeError, match="put back"):
        run_flow(worker.services, flow)
    assert called
    assert worker.services.current_run is None
    [run] = worker.query("SELECT state, error_message, leaves_unfinished FROM flow_execution_logs")
    assert (run.state, run.leaves_unfinished) == ("ended", True)
    assert "put back" in run.error_message
