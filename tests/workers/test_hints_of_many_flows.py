"""If many flows wait, only some get a hint: each worker process that takes a hint then serves the other flows,
too."""

from queue_store.flows import FlowWithWork
from tasks.fan_out import HINTS_FOR_EACH_PROCESS, hints_for


def waiting(count: int, celery_queue: str = "flows", worker_processes: int = 2) -> list[FlowWithWork]:
    return [
        FlowWithWork(f"{celery_queue}_{number}", celery_queue, 100, 20, 1.0, 0, None, worker_processes)
        for number in range(count)
    ]


def test_few_flows_get_a_hint_for_each_run_that_would_find_work() -> None:
    flows = waiting(10)
    assert hints_for(flows) == [(flow, slot) for flow in flows for slot in range(flow.runs_wanted)]


def test_of_many_each_worker_process_gets_its_hints() -> None:
    flows = waiting(300)
    hints = hints_for(flows)
    assert len(hints) == len({flow.flow_name for flow, _ in hints}) == 2 * HINTS_FOR_EACH_PROCESS
    assert set(hints) <= {(flow, 0) for flow in flows}


def test_any_of_them_may_be_chosen() -> None:
    """The choice is random, so a flow that no worker process can run does not keep another flow from getting a hint."""
    flows = waiting(30)
    seen = {flow.flow_name for _ in range(1_000) for flow, _ in hints_for(flows)}
    assert seen == {flow.flow_name for flow in flows}


def test_each_celery_queue_gets_its_own() -> None:
    flows = [*waiting(300), *waiting(3, "slow")]
    assert set(waiting(3, "slow")) <= {flow for flow, _ in hints_for(flows)}


def test_flows_that_other_worker_processes_serve_get_their_own() -> None:
    flows = [*waiting(300), *waiting(1, worker_processes=1)]
    assert any(flow.worker_processes == 1 for flow, _ in hints_for(flows))


def test_many_worker_processes_are_all_woken() -> None:
    flows = waiting(300, worker_processes=200)
    assert {flow for flow, _ in hints_for(flows)} == set(flows)
