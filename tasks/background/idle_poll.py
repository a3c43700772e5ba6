"""Starts runs without a hint. An idle worker process looks for due records that nobody has taken, so that records are
processed even if the broker is unreachable or no beat runs. The idle poll is a thread, because the main thread waits
for Celery."""

import logging
import random
import threading
import time

from queue_store.errors import QueueStoreError
from queue_store.flows import FlowWithWork, with_work

from ..run_loop.loop import run_flow
from ..schedule.enqueue_due import enqueue_due
from ..worker.services import WorkerServices

logger = logging.getLogger(__name__)

BROKER_AWAY_POLL_SECONDS = 0.5
LOOK_SECONDS = 0.2
NEXT_RUN_SECONDS = 0.02  # a short pause, in which a task that waits for the end of the run can begin


class IdlePoll(threading.Thread):
    def __init__(self, services: WorkerServices) -> None:
        super().__init__(name="idle_poll", daemon=True)
        self._services = services
        self._ended = threading.Event()
        self._last_run_at: dict[str, float] = {}
        self._lacks_hints = False  # a hint could not be sent during the last run, so a flow may wait

    def run(self) -> None:
        while not self._ended.wait(self._pause_seconds()):
            try:
                self._look()
            except QueueStoreError as error:
                logger.warning("could not look for due records: %s", error)
            except Exception:
                logger.exception("looking for due records failed; the next poll is tried as usual")

    def end(self, timeout_seconds: float) -> None:
        """Ends this thread. If the thread has a run, the run gives back the records that it has not started, and this
        method waits for the end of the run. `timeout_seconds` limits the wait only if the worker is shutting down.
        If only this child ends, and a new child replaces it, the run has time to finish its record."""
        self._ended.set()
        waited_seconds = 0.0
        while self.is_alive() and waited_seconds < timeout_seconds:
            current = self._services.current_run
            if current is not None:
                current.is_in_the_way = True
            self.join(LOOK_SECONDS)
            if self._services.slots.is_stopping:
                waited_seconds += LOOK_SECONDS

    def _pause_seconds(self) -> float:
        if self._lacks_hints:
            return NEXT_RUN_SECONDS
        seconds = self._services.settings.idle_poll_seconds
        if not self._services.hints.is_broker_reachable():
            seconds = min(seconds, BROKER_AWAY_POLL_SECONDS)
        return seconds * random.uniform(0.5, 1)  # noqa: S311

    def _look(self) -> None:
        self._lacks_hints = False
        services = self._services
        if not services.flows or not services.slots.is_ready or services.is_closing:
            return
        if not self._services.run_lock.acquire(blocking=False):
            return
        try:
            enqueue_due(self._services.database, self._services.flows.values(), self._services.settings)
            waiting = self._waiting()
            if waiting is not None:
                self._last_run_at[waiting.flow_name] = time.monotonic()
                flow = self._services.flows[waiting.flow_name]
                if flow.needs_main_thread and self._services.hints.send(flow.name, flow.celery_queue):
                    return
                failed_count = self._services.hints.failed_count
                run_flow(self._services, flow)
                self._lacks_hints = self._services.hints.failed_count > failed_count
        finally:
            self._services.run_lock.release()

    def _waiting(self) -> FlowWithWork | None:
        """Choose among the flows whose due records have waited for `idle_poll_seconds`. If the broker is unreachable,
        choose among all flows with due records. The choice is the flow whose last run in this process began earliest.
        If the flow that has waited longest were chosen, a flow with endless work could be chosen each time. Among flows
        that this process has never run, the choice is a flow with the fewest living runs. The runs of a dead process
        are counted until the process is declared dead. So a flow whose records kill every process does not always come
        first."""
        with self._services.database.transaction() as cursor:
            flows = with_work(cursor, self._services.celery_queues)
        is_reachable = self._services.hints.is_broker_reachable()
        patience_seconds = self._services.settings.idle_poll_seconds if is_reachable else 0
        ready = [
            flow
            for flow in flows
            if flow.flow_name in self._services.flows
            and flow.runs_wanted
            and flow.waited_seconds >= patience_seconds
        ]
        random.shuffle(ready)
        return min(ready, key=self._turn, default=None)

    def _turn(self, flow: FlowWithWork) -> tuple[float, int]:
        return self._last_run_at.get(flow.flow_name, 0), flow.alive_runs
