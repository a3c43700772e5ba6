"""If a worker has many flows, one hint is enough: the worker makes one run for each flow with waiting records."""

from dataclasses import replace

from tasks.run_loop.waiting_flows import MANY_FLOWS, run_waiting_flows
from tests.durable_tasks.conftest import Shop


def act(number: int) -> None: ...


def test_the_flows_that_wait_are_run_one_after_the_other(shop: Shop) -> None:
    tasks = [shop.task(act, name=f"shop.task_{number}") for number in range(2 * MANY_FLOWS)]
    for task in tasks:
        for number in range(3):
            task.delay(number)
    services = shop.worker.services
    services.settings = replace(services.settings, time_slice_seconds=600.0)  # long enough for any machine
    run_waiting_flows(services)
    assert shop.worker.statuses() == {"completed": 3 * len(tasks)}


def test_with_few_flows_each_waits_for_its_hint(shop: Shop) -> None:
    shop.worker.services.flows.clear()
    tasks = [shop.task(act, name=f"shop.task_{number}") for number in range(3)]
    for task in tasks:
        task.delay(1)
    run_waiting_flows(shop.worker.services)
    assert shop.worker.statuses() == {"pending": 3}
