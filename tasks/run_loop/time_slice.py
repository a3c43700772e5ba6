"""Limits how long a run goes on while other flows wait for a worker process."""

import time

from queue_store.errors import QueueStoreError
from queue_store.flows import FlowWithWork, with_work

from ..authoring.flow import Flow
from ..worker.services import WorkerServices

OTHERS_LOOK_SECONDS = 1.0
LONGEST_RUN_SECONDS = 600.0  # a run's limit if no other flow waits; much less than the orphan timeout


class TimeSlice:
    """Only the thread that works on the run uses this class."""

    def __init__(self, services: WorkerServices, flow: Flow) -> None:
        self._services = services
        self._flow = flow
        self._began_at = time.monotonic()
        self._ends_at = self._began_at + services.settings.time_slice_seconds
        self._is_over = False

    def is_over(self) -> bool:
        """Whether the run must end. If the time slice is over and other flows wait, sends a hint for each of them,
        and then a hint for the run's own flow. If no other flow waits, the run goes on, for at most
        `LONGEST_RUN_SECONDS`. The run also ends if the hints cannot be sent: the idle poll then begins the next
        run."""
        if time.monotonic() < self._ends_at:
            return False
        if not self._is_over:
            self._look()
        return self._is_over

    def _look(self) -> None:
        others = [flow for flow in self._waiting() if flow.runs_wanted]
        now = time.monotonic()
        if others or now - self._began_at >= LONGEST_RUN_SECONDS:
            self._is_over = True
            self._send_hints(others)
        else:
            self._ends_at = now + OTHERS_LOOK_SECONDS

    def _send_hints(self, others: list[FlowWithWork]) -> None:
        """Stops at the first hint that cannot be sent, because each further hint may wait for a time-out."""
        send = self._services.hints.send
        if all(send(other.flow_name, other.celery_queue) for other in others):
            send(self._flow.name, self._flow.celery_queue)

    def _waiting(self) -> list[FlowWithWork]:
        try:
            with self._services.database.transaction() as cursor:
                return with_work(cursor, self._services.celery_queues, except_flow_name=self._flow.name)
        except QueueStoreError:
            return []
