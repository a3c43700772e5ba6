"""If many flows wait, only some get a hint: each worker process that takes a hint then serves the other flows,
too."""

from queue_store.database.manager import DatabaseManager
from queue_store.flows import FlowWithWork, with_work
from tasks.fan_out import HINTS_FOR_EACH_PROCESS, hints_for
from tests.support import filling


def waiting(
    count: int,
    celery_queue: str = "flows",
    worker_processes: int = 2,
    *,
    fewest_flows: int | None = None,
    max_runs: int | None = None,
) -> list[FlowWithWork]:
    return [
        FlowWithWork(
            flow_name=f"{celery_queue}_{number}",
            celery_queue=celery_queue,
            batch_size=100,
            due_records=200,
            waited_seconds=1.0,
            alive_runs=1 if max_runs else 0,
            max_runs=max_runs,
            worker_processes=worker_processes,
            fewest_flows=fewest_flows or count,
        )
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
    slow = waiting(3, "slow", fewest_flows=300)
    assert set(slow) <= {flow for flow, _ in hints_for([*waiting(300), *slow])}


def test_flows_that_other_worker_processes_serve_get_their_own() -> None:
    flows = [*waiting(300), *waiting(1, worker_processes=1, fewest_flows=300)]
    assert any(flow.worker_processes == 1 for flow, _ in hints_for(flows))


def test_many_worker_processes_are_all_woken() -> None:
    flows = waiting(300, worker_processes=200)
    assert {flow for flow, _ in hints_for(flows)} == set(flows)


def test_if_a_process_serves_few_flows_each_flow_that_waits_for_it_gets_its_hints() -> None:
    """Such a process makes one run for each hint. Here, two applications share a Celery queue."""
    flows = waiting(24, worker_processes=1, fewest_flows=12)
    assert hints_for(flows) == [(flow, slot) for flow in flows for slot in range(flow.runs_wanted)]


def test_a_flow_that_has_all_its_runs_gets_no_hint() -> None:
    busy = waiting(30, max_runs=1)
    assert all(flow.runs_wanted == 0 for flow in busy)
    assert hints_for(busy) == []


def test_the_lowest_number_of_flows_that_a_process_serves_is_read(database: DatabaseManager) -> None:
    for name in ("alpha", "beta", "gamma"):
        filling.add_flow(database, name)
        filling.add_records(database, 1, name)
    filling.add_worker_process(database, "alpha", "beta", "other")
    filling.add_worker_process(database, "alpha")
    with database.transaction() as cursor:
        found = {flow.flow_name: (flow.worker_processes, flow.fewest_flows) for flow in with_work(cursor)}
    assert found == {"alpha": (2, 1), "beta": (1, 3), "gamma": (0, None)}
