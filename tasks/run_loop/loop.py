"""A run claims records, calls handlers, writes outcomes and claims again, until no record is due or the run must
stop."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext

from queue_store.errors import QueueStoreError
from queue_store.records.record import Outcome, Record
from queue_store.runs.run import Run, RunCounts, RunOptions

from ..authoring.flow import Flow
from ..exceptions import RunLostError
from ..observing import observer
from ..worker.current_run import CurrentRun
from ..worker.services import WorkerServices, orphan_timeout_seconds
from .abort_process import abort_process
from .batch_attempt import BatchAttempts
from .concurrent_execution import ConcurrentExecution, low_water
from .delivery import Delivery
from .end_of_run import end_broken_run, end_run
from .execution import Execution
from .executors import AsyncExecutor, Executor, ThreadExecutor
from .express import Express, may_be_express
from .express_commit import ExpressCommit
from .guest import ProcessState, own_this_process, run_as_guest
from .handlers_in_hand import HandlersInHand
from .limits import Limits
from .one_by_one import BatchByBatch, OneByOne
from .one_commit import OneCommit
from .slice_connections import AsyncSliceConnection, PlainSliceConnection
from .stuck_handlers import StuckHandler, StuckHandlers
from .time_slice import TimeSlice

logger = logging.getLogger(__name__)

# A handler without a time limit is ended when it has run for this share of the orphan timeout. The rest of the timeout
# must cover the time before the handler starts: a claimed record waits at most LONGEST_RUN_SECONDS for its handler.
HUNG_SHARE = 0.9


def run_flow(
    services: WorkerServices,
    flow: Flow,
    celery_task_id: str | None = None,
    trace_context: str | None = None,
    run: Run | None = None,
) -> RunCounts:
    """Make one run of the flow. A run that claims no record rescues orphans if a rescue is due. Raises
    DatabaseUnavailableError if the first claim or the rescue fails. If the database fails later, the run ends, and
    rescue gives back the records that the run leaves. After any other error, the run ends, too. `run`: a run that
    `new_run` has made."""
    run = run or new_run(services, flow, celery_task_id)
    try:
        with run:
            _work(services, flow, run, trace_context)
    except BaseException as error:
        working, services.current_run = services.current_run, None
        end_broken_run(services, run, error, working)
        raise
    return run.counts


def _work(services: WorkerServices, flow: Flow, run: Run, trace_context: str | None) -> None:
    with services.failing_claims.watch(flow.name):
        records = run.begin()
    if run.is_registered:
        observed = observer()
        with observed.run(run, trace_context) if observed else nullcontext(), ExitStack() as ends:
            _RunLoop(services, flow, run, ends).work_off(records)
    if not run.counts.records_claimed:
        services.rescue.look_when_due()


def new_run(
    services: WorkerServices,
    flow: Flow,
    celery_task_id: str | None = None,
    first_slice: int = 0,
) -> Run:
    """Returns a run that has not begun."""
    options = RunOptions(
        flow_name=flow.name,
        batch_size=flow.batch_size_or_default(services.settings),
        max_retries=flow.max_retries_or_default(services.settings),
        record_class=flow.record_class,
        with_sqlalchemy=flow.needs_sqlalchemy and not flow.is_async,
        first_slice=first_slice,
    )
    position = services.position(flow.name)
    return Run(services.database, options, position, services.process.worker_process_id, celery_task_id)


class _RunLoop:
    """If this object cannot be made, no handler was called, so no record is to blame."""

    def __init__(self, services: WorkerServices, flow: Flow, run: Run, ends: ExitStack) -> None:
        self._services = services
        self._flow = flow
        self._run = run
        self._current = CurrentRun(run, server_identity=services.server_identity)
        micro_batch_seconds = min(services.settings.micro_batch_seconds, flow.most_unwritten_seconds)
        self._delivery = Delivery(
            self._current,
            micro_batch_seconds,
            services.slots,
            services.hints.send,
            TimeSlice(services, flow),
            flow,
        )
        own_this_process()
        self._process_state = ProcessState()
        self._executor: Executor | None = None
        self._ends = ends
        self._limits = Limits(flow, self._stuck_handlers())
        self._attempts = BatchAttempts(flow, self._current, self._limits)
        patience_seconds = HUNG_SHARE * orphan_timeout_seconds(flow, services.settings)
        self._current.handlers = HandlersInHand(run, self._limits, self._abort_process, patience_seconds)
        self._execution, self._next_batch = self._new_execution(), self._delivery.flush_and_claim
        if may_be_express(flow, services.settings):
            self._execution = express = self._express(self._execution)
            self._next_batch = express.next_batch

    def work_off(self, records: list[Record]) -> None:
        self._services.current_run = self._current
        failure: Exception | None = None
        try:
            records = records or self._next_batch()
            while records:
                unstarted = self._execution.execute(records)
                self._process_state.put_back()
                if unstarted or self._delivery.must_stop:
                    self._delivery.flush()
                    self._delivery.release(unstarted)
                    break
                records = self._next_batch()
        except (RunLostError, QueueStoreError) as error:
            failure = error
            if self._executor is not None:
                self._executor.end()  # while this thread waits, no further handler may begin
            self._services.wait_while_ending()  # `abort_process` writes the outcomes, and ends the run
            logger.warning("run %s of %s ends early: %s", self._run.flow_instance_id, self._flow.name, error)
        finally:
            self._process_state.put_back()
            self._ends.close()
        end_run(self._current, self._services.slots, failure)
        self._services.current_run = None

    def _express(self, execution: Execution) -> Express:
        if isinstance(execution, OneCommit):
            return ExpressCommit(
                self._services, self._flow, self._run, self._delivery, execution, self._process_state.put_back
            )
        call = self._call_batch if self._flow.batch else self._call_one
        express = Express(
            self._services,
            self._flow,
            self._run,
            self._delivery,
            execution,
            self._executor if isinstance(self._executor, AsyncExecutor) else call,
            self._process_state.put_back,
        )
        if isinstance(execution, ConcurrentExecution):
            execution.watch(express)
        return express

    def _new_execution(self) -> Execution:
        flow, delivery = self._flow, self._delivery
        if flow.transaction_type is not None:
            return self._one_commit()
        if flow.batch:
            return BatchByBatch(self._call_batch, delivery)
        if flow.is_async or flow.concurrency > 1:
            self._executor = self._new_executor()
            self._ends.callback(self._executor.end)
            return ConcurrentExecution(self._run, delivery, self._executor, flow.concurrency)
        return OneByOne(self._attempts, delivery)

    def _one_commit(self) -> OneCommit:
        run, is_async = self._run, self._flow.is_async
        connection = (
            AsyncSliceConnection(run, self._services.event_loop) if is_async else PlainSliceConnection(run)
        )
        self._ends.callback(connection.end)
        return OneCommit(self._flow, run, self._delivery, self._attempts, connection)

    def _new_executor(self) -> Executor:
        concurrency = self._flow.concurrency
        low = low_water(concurrency, self._run.batch_size)
        if self._flow.is_async:
            return AsyncExecutor(self._attempts, concurrency, low, self._services.event_loop)
        return ThreadExecutor(self._attempts, concurrency, low)

    def _call_one(self, records: Sequence[Record]) -> list[Outcome]:
        return [self._attempts.attempt_plainly(records[0])]

    def _call_batch(self, records: Sequence[Record]) -> list[Outcome]:
        call = self._attempts.attempt_batch(records)
        return self._services.event_loop.run(call) if self._flow.is_async else run_as_guest(call)

    def _stuck_handlers(self) -> StuckHandlers | None:
        if self._flow.time_limit_seconds is None:
            return None
        stuck_handlers = StuckHandlers(self._abort_process)
        stuck_handlers.start()
        self._ends.callback(stuck_handlers.end)
        return stuck_handlers

    def _abort_process(self, stuck: list[StuckHandler]) -> None:
        abort_process(self._services, self._flow, self._current, self._unwritten, stuck)

    def _unwritten(self) -> list[Outcome]:
        return self._delivery.unwritten + (self._executor.done if self._executor else [])
