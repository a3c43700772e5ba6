"""The story of a run: claim, execute, write, claim again, until nothing is due or somebody wants it to stop."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext

from queue_store.errors import CommitUnknownError, DatabaseUnavailableError, QueueStoreError
from queue_store.flows import with_work
from queue_store.liveness.worker_processes import server_identity
from queue_store.records.record import Outcome, Record
from queue_store.redaction import redact
from queue_store.runs.run import Run, RunCounts, RunOptions

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..observing import observer
from ..worker.current_run import CurrentRun
from ..worker.services import WorkerServices, orphan_timeout_seconds
from .abort_process import give_up
from .batch_attempt import BatchAttempts
from .concurrent_execution import ConcurrentExecution, low_water
from .delivery import Delivery
from .executors import AsyncExecutor, Executor, ThreadExecutor
from .failures import MESSAGE_LIMIT
from .one_by_one import BatchByBatch, OneByOne
from .one_commit import OneCommit
from .one_commit_async import AsyncOneCommit
from .stuck_handlers import StuckHandler, StuckHandlers

logger = logging.getLogger(__name__)

OTHERS_LOOK_SECONDS = 1.0
LONGEST_RUN_SECONDS = 600.0  # of a run alone: none that began within the orphan timeout has overdue records
HUNG_SHARE = 0.9  # of the orphan timeout, which counts from the claim
SAY_END_SECONDS = 60.0
SAY_END_PAUSE_SECONDS = 0.2


def run_flow(
    services: WorkerServices,
    declared: Flow,
    celery_task_id: str | None = None,
    trace_context: str | None = None,
) -> RunCounts:
    """One run of the flow: nothing at all when nothing is due. Raises DatabaseUnavailableError only before the first
    claim; later the run ends, and rescue gives back what it leaves."""
    options = RunOptions(
        flow_name=declared.name,
        batch_size=declared.batch_size_or_default(services.settings),
        max_retries=declared.max_retries_or_default(services.settings),
        failure_blocks_key=declared.failure_blocks_key,
    )
    position = services.position(declared.name)
    with Run(services.database, options, position, services.process.worker_process_id, celery_task_id) as run:
        try:
            records = run.begin()
        except CommitUnknownError as error:
            _RunLoop(services, declared, run).end_unknown(error)
            raise
        if records:
            observed = observer()
            with observed.run(run, trace_context) if observed else nullcontext():
                _RunLoop(services, declared, run).work_off(records)
        else:
            services.rescue.look_when_due()
        return run.counts


class _RunLoop:
    def __init__(self, services: WorkerServices, declared: Flow, run: Run) -> None:
        self._services = services
        self._declared = declared
        self._run = run
        self._current = CurrentRun(run, server_identity=services.server_identity)
        self._delivery = Delivery(self._current, services.settings, services.slots, services.hints.send)
        self._delivery.slice_is_over = self._slice_is_over
        self._hands: Executor | None = None
        self._began_at = time.monotonic()
        self._ends = ExitStack()
        self._attempts = BatchAttempts(declared, self._current, self._stuck_handlers())
        self._current.end_if_hung = self._end_if_hung

    def work_off(self, records: list[Record]) -> None:
        self._services.current_run = self._current
        failure: BaseException | None = None
        try:
            execute = self._executor()
            while records:
                unstarted = execute(records)
                if unstarted or self._delivery.must_stop:
                    self._delivery.flush()
                    self._delivery.release(unstarted)
                    break
                records = self._delivery.flush_and_claim()
        except (RunLostError, QueueStoreError) as error:
            failure = error
            logger.warning(
                "run %s of %s ends early: %s", self._run.flow_instance_id, self._declared.name, error
            )
        except BaseException as error:
            failure = error
            raise
        finally:
            self._ends.close()
            self._end(failure)
            self._services.current_run = None

    def end_unknown(self, failure: CommitUnknownError) -> None:
        """After a begin that may have happened: if so, nobody works on what was claimed."""
        self._ends.close()
        self._end(failure)

    def _executor(self) -> Callable[[list[Record]], list[Record]]:
        declared, delivery, attempts = self._declared, self._delivery, self._attempts
        if declared.transaction_type is not None:
            return self._one_commit().execute
        if declared.batch:
            return BatchByBatch(self._call_batch, delivery).execute
        if declared.is_async or declared.concurrency > 1:
            self._hands = self._new_hands()
            self._ends.callback(self._hands.end)
            return ConcurrentExecution(self._run, delivery, self._hands, declared.concurrency).execute
        return OneByOne(attempts, delivery).execute

    def _one_commit(self) -> OneCommit:
        declared, run, delivery, attempts = self._declared, self._run, self._delivery, self._attempts
        if not declared.is_async:
            return OneCommit(declared, run, delivery, attempts)
        one_commit = AsyncOneCommit(declared, run, delivery, attempts, self._services.event_loop)
        self._ends.callback(one_commit.end)
        return one_commit

    def _new_hands(self) -> Executor:
        concurrency = self._declared.concurrency
        low = low_water(concurrency, self._run.batch_size)
        if self._declared.is_async:
            return AsyncExecutor(self._attempts, concurrency, low, self._services.event_loop)
        return ThreadExecutor(self._attempts, concurrency, low)

    def _call_batch(self, records: Sequence[Record]) -> list[Outcome]:
        if self._declared.is_async:
            return self._services.event_loop.run(self._attempts.attempt_batch_async(records))
        return self._attempts.attempt_batch(records)

    def _stuck_handlers(self) -> StuckHandlers | None:
        if self._declared.time_limit_seconds is None:
            return None
        stuck_handlers = StuckHandlers(self._give_up)
        stuck_handlers.start()
        self._ends.callback(stuck_handlers.end)
        return stuck_handlers

    def _give_up(self, stuck: list[StuckHandler]) -> None:
        finished = self._delivery.unwritten + (self._hands.done if self._hands else [])
        give_up(self._services, self._declared, self._current, finished, stuck)

    def _end_if_hung(self) -> None:
        """Without a time limit nobody waits for ever either: what would be taken back as overdue, uncharged, and then
        pin the next process, ends this one and is charged."""
        patience_seconds = HUNG_SHARE * orphan_timeout_seconds(self._declared, self._services.settings)
        hung_before = time.monotonic() - patience_seconds
        hung = [
            StuckHandler(records, started, started + patience_seconds, patience_seconds)
            for records, started in list(self._attempts.open_calls.values())
            if started <= hung_before
        ]
        if hung:
            self._give_up(hung)

    def _slice_is_over(self) -> bool:
        """Fairness between flows: others that wait get a hint, and this flow queues up behind them with its own.
        While nobody waits, or the broker cannot take the hint, the run goes on; while nobody waits not for ever."""
        try:
            with self._services.database.transaction() as cursor:
                waiting = with_work(
                    cursor, self._services.celery_queues, except_flow_name=self._declared.name
                )
        except QueueStoreError:
            waiting = []
        hints = self._services.hints
        others = [flow for flow in waiting if flow.runs_wanted]
        for other in others:
            hints.send(other.flow_name, other.celery_queue)
        is_long = time.monotonic() - self._began_at >= LONGEST_RUN_SECONDS
        if (others or is_long) and hints.send(self._declared.name, self._declared.queue):
            return True
        self._delivery.slice_ends_at = time.monotonic() + OTHERS_LOOK_SECONDS
        return False

    def _end(self, failure: BaseException | None) -> None:
        """Waits for a database that is away: a run that cannot say how it ended leaves suspects behind."""
        give_up_at = time.monotonic() + SAY_END_SECONDS
        while True:
            try:
                return self._say_end(failure)
            except DatabaseUnavailableError as error:
                failure = failure or error
                if time.monotonic() > give_up_at or self._services.slots.is_stopping:
                    return self._warn_of_end(error)
                time.sleep(SAY_END_PAUSE_SECONDS)
            except QueueStoreError as error:
                return self._warn_of_end(error)

    def _say_end(self, failure: BaseException | None) -> None:
        if failure is not None:
            self._run.reopen()
        suspect_ids = failure.suspect_record_ids if isinstance(failure, RunLostError) else ()
        if suspect_ids and self._server_changed():
            suspect_ids = ()
        if suspect_ids:
            self._run.abandon(suspect_ids[0] if len(suspect_ids) == 1 else None, str(failure))
        else:
            self._run.end(None if failure is None else _text(failure))

    def _server_changed(self) -> bool:
        """It was started again, or another one took over: no handler is to blame for the connection."""
        known = self._current.server_identity
        with self._run.held.transaction() as cursor:
            return known is not None and server_identity(cursor) != known

    def _warn_of_end(self, error: QueueStoreError) -> None:
        logger.warning(
            "run %s could not say that it ended, its lease will: %s", self._run.flow_instance_id, error
        )


def _text(failure: BaseException) -> str:
    """What the queue's own errors say is written for people; of others the type has to be told."""
    if isinstance(failure, RunLostError | QueueStoreError):
        return str(failure)
    return redact(f"{type(failure).__name__}: {failure}", MESSAGE_LIMIT)
