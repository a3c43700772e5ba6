"""The heartbeat of a worker process. The heartbeat reports that the process and its run are alive, reads requests
to the process and to the run, and rescues the records of silent processes. It runs outside of the main thread, and over
its own connection, because the main thread is busy with records."""

import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait

import psutil

from queue_store.counts import rollups
from queue_store.errors import DatabaseUnavailableError, QueueStoreError
from queue_store.liveness import worker_processes
from queue_store.plural import plural

from ..monitoring.deadline import start_call
from ..worker.current_run import CurrentRun, Handlers
from ..worker.liveness_file import touch_liveness_file
from ..worker.services import WorkerServices
from .recycling import recycle_when_full

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1  # how soon a stop is noticed
CLOCK_SECONDS = 20.0  # the time between two comparisons of this host's clock with the database's
FOLD_SECONDS = 30.0  # the time between two folds of one process, in case beat sends no fan_out


class Heartbeat(threading.Thread):
    def __init__(self, services: WorkerServices) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._services = services
        self._ended = threading.Event()
        self._is_registered = False
        self._is_stopping = False
        self._duty: Future[None] | None = None
        self._next_beat = 0.0
        self.last_fold = time.monotonic()
        services.rescue.own_heartbeat.arrived()  # otherwise a late first heartbeat would not count as late
        self._clock_at = float("-inf")
        self._process = psutil.Process()
        self._process.cpu_percent()

    def run(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self.attempt(self._look)

    def _look(self) -> None:
        self._services.slots.hear()
        if self._services.slots.is_stopping and not self._is_stopping:
            self.attempt_in_time(self.say_stopping)
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + self._pause_seconds()
            self.attempt_in_time(self.beat)
            touch_liveness_file(self._services.settings.heartbeat_file)

    def end(self) -> None:
        self._ended.set()

    def _pause_seconds(self) -> float:
        return self._services.settings.heartbeat_seconds * random.uniform(0.8, 1)  # noqa: S311

    def attempt_in_time(self, duty: Callable[[], None]) -> None:
        """Runs the duty in another thread. Waits until the duty is done, but for half a lease at most, because a
        statement behind PgBouncer can wait for minutes while Postgres is unreachable. While a duty still hangs, no
        other duty begins. If no thread can be started, runs the duty in this thread, and waits until the duty is
        done."""
        if self._duty is None or self._duty.done():
            try:
                self._duty = start_call(lambda: self.attempt(duty), thread_name="heartbeat_duty")
            except RuntimeError as error:
                logger.warning("this heartbeat has no thread of its own: %s", error)
                self.attempt(duty)
                return
        if not wait([self._duty], self._services.settings.lease_seconds / 2).done:
            logger.warning("no heartbeat yet: the database does not answer")

    def attempt(self, duty: Callable[[], None]) -> None:
        try:
            duty()
        except QueueStoreError as error:
            logger.warning("no heartbeat: %s", error)
        except Exception:
            logger.exception("a heartbeat failed; the next one is tried as usual")

    def beat(self) -> None:
        if not self._is_registered:
            self._register()
        if not self._say_alive():
            self._was_declared_dead()
            return
        self.attempt(self._report_predecessor)
        recycle_when_full(self._services, self._process.memory_info().rss)
        self._look_after_others()

    def _register(self) -> None:
        """Registers this process even if a flow cannot be registered. Otherwise other processes would declare its live
        runs dead."""
        try:
            self._services.register()
            self._is_registered = True
        except DatabaseUnavailableError:
            raise
        except Exception:
            logger.exception("the flows could not be registered; the next heartbeat tries again")
            with self._services.database.transaction() as cursor:
                worker_processes.register(cursor, self._services.process)

    def _say_alive(self) -> bool:
        current = self._services.current_run
        handlers = None if current is None else current.handlers
        with self._services.database.transaction() as cursor:
            clock_skew_seconds = None
            if time.monotonic() >= self._clock_at + CLOCK_SECONDS:
                self._clock_at = time.monotonic()
                clock_skew_seconds = worker_processes.clock_skew_seconds(cursor)
            asked = worker_processes.beat(
                cursor,
                self._services.process.worker_process_id,
                pool_in_use=self._services.database.pool_in_use,
                cpu_percent=self._process.cpu_percent(),
                memory_bytes=self._process.memory_info().rss,
                in_hand=None if handlers is None else handlers.oldest(),
                clock_skew_seconds=clock_skew_seconds,
            )
            news = current and worker_processes.beat_run(
                cursor, current.run.flow_instance_id, current.run.counts
            )
            self._services.server_identity = worker_processes.server_identity(cursor)
        self._services.rescue.own_heartbeat.arrived()
        if current is not None:
            self._tell(current, news)
        if asked is not None and asked.record_id is not None:
            self._end_handler(handlers, asked)
        if handlers is not None:
            handlers.end_overdue()
        return asked is not None

    def _end_handler(self, handlers: Handlers | None, request: worker_processes.EndRequest) -> None:
        """End the process of the handler that the request names. If the request came too late, this call returns;
        otherwise this process ends."""
        if handlers is not None:
            handlers.end(request)
        logger.info(
            "record %d is not being processed here any more: there is no handler to end", request.record_id
        )
        with self._services.database.transaction() as cursor:
            worker_processes.drop_end_request(cursor, self._services.process.worker_process_id, request)

    def _tell(self, current: CurrentRun, news: worker_processes.RunNews | None) -> None:
        if news is None:
            current.is_lost = current is self._services.current_run
        else:
            current.cancelled_ids = frozenset(news.cancelled_ids)
            current.flow_is_closed = not news.flow_is_open
            current.batch_size = news.batch_size

    def _was_declared_dead(self) -> None:
        if self._services.is_ending:  # this process has marked itself as ended
            return
        logger.warning(
            "this worker process was silent for longer than its lease and was declared dead: it registers again"
        )
        current = self._services.current_run
        if current is not None:
            current.is_lost = True
        self._services.renew()
        self._is_registered = False

    def _look_after_others(self) -> None:
        rescued = self._services.rescue.sweep()
        if rescued.record_count or rescued.dead_run_ids:
            dead = len(rescued.dead_run_ids)
            whose = plural(dead, "dead run") if dead else "runs that were declared dead before"
            logger.warning("rescued %s of %s", plural(rescued.record_count), whose)
        if time.monotonic() - self.last_fold >= FOLD_SECONDS:
            self.last_fold = time.monotonic()
            rollups.fold(self._services.database)

    def _report_predecessor(self) -> None:
        gone = self._services.predecessor
        if gone is None:
            return
        in_flight = {gone.worker_process_id: gone.record_id} if gone.record_id is not None else {}
        rescued = self._services.rescue.lost([gone.worker_process_id], in_flight)
        self._services.predecessor = None
        logger.warning(
            "worker process %s died%s; rescued %s",
            gone.worker_process_id,
            f" while it worked on record {gone.record_id}" if gone.record_id else "",
            plural(rescued.record_count),
        )

    def say_stopping(self) -> None:
        with self._services.database.transaction() as cursor:
            worker_processes.stop(cursor, self._services.process.worker_process_id)
        self._is_stopping = True
