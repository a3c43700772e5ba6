"""If the records of some flows immediately kill each process that claims them, the other flows are still served."""

from typing import Any

from tasks.background.idle_poll import IdlePoll
from tasks.worker.shared_slots import SharedSlots
from tests.support.filling import add_run, add_worker_process
from tests.support.flow_runs import Worker
from tests.workers.processes import wait_until

DEADLY = [f"deadly_{number}" for number in range(8)]
OLDER = (
    "UPDATE processing_queue SET scheduled_at = scheduled_at - interval '1 hour' WHERE flow_name = %(flow)s"
)


class NoBroker:
    failed_count = 0

    def is_broker_reachable(self) -> bool:
        return False

    def send(self, *_: Any) -> bool:
        return False


def test_a_new_process_begins_with_the_flow_that_has_the_fewest_runs(worker: Worker) -> None:
    """A run still counts as a run of its flow after its process has died. The records of the deadly flows have waited
    an hour longer than the record of `other`."""
    services, begun = worker.services, list[str]()
    services.slots, services.hints = SharedSlots(), NoBroker()  # type: ignore[assignment]
    services.slots.make_ready()

    def noting(name: str) -> Any:
        return lambda payload: begun.append(name)

    for name in DEADLY:
        worker.declare(noting(name), name=name)
        worker.enqueue(name, [1])
        worker.query(OLDER, flow=name)
        add_run(services.database, name)
    worker.declare(noting("other"), name="other")
    worker.enqueue("other", [1])
    for _ in range(2):  # so that each flow may have another run
        add_worker_process(services.database, *DEADLY, "other")

    poll = IdlePoll(services)
    poll.start()
    wait_until(lambda: bool(begun), "a first record")
    poll.end(20)
    assert begun[0] == "other"
