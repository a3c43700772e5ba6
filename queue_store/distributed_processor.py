"""The facade of the queue: it gives access to every arrow of the state machine."""

import warnings
from collections.abc import Coroutine, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Unpack
from uuid import UUID

from queue_store import waiting
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing import Enqueued, EnqueuedMany, NewRecord, OnDuplicate, RecordOptions
from queue_store.enqueueing.after_commit import check_hint_sender, send_hint
from queue_store.enqueueing.bulk import enqueue_many_steps
from queue_store.enqueueing.connections import run, run_atomically
from queue_store.enqueueing.steps import enqueue_steps
from queue_store.enqueueing.trace_context import producer_span
from queue_store.liveness.rescue import Rescue
from queue_store.operators.operators import Operators
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.run import Run, RunOptions
from queue_store.settings import ProcessorSettings, load_processor_settings
from queue_store.waiting import FinishedRecord

if TYPE_CHECKING:
    from queue_store.enqueueing.hints import HintSender


class DistributedProcessor(Operators):
    """Enqueues, opens runs, rescues, and does what operators ask for. A run claims, completes, retries, fails,
    snoozes and releases records. Each call is a transaction of its own. But an operator's call for many records uses
    one transaction for each chunk, and a rescue uses several transactions. To enqueue in your own transaction, use
    `queue_store.enqueue`."""

    def __init__(
        self,
        database: DatabaseManager | None = None,
        settings: ProcessorSettings | None = None,
        hint_sender: "HintSender | None" = None,
    ) -> None:
        super().__init__(database or DatabaseManager())
        self.settings = settings or load_processor_settings()
        self.rescue = Rescue(self.database, self.settings)
        if hint_sender is not None:
            check_hint_sender(hint_sender)
        self._hint_sender = hint_sender

    def enqueue(
        self,
        flow_name: str,
        payload: object,
        *,
        on_duplicate: OnDuplicate = "raise",
        **options: Unpack[RecordOptions],
    ) -> Enqueued:
        steps = enqueue_steps(flow_name, NewRecord(payload, **options), on_duplicate, is_follow_up=False)
        with producer_span("enqueue", flow_name):
            with self.database.transaction() as cursor:
                enqueued = run(cursor, steps)
            self._hint(enqueued)
        return enqueued

    def enqueue_many(
        self,
        flow_name: str,
        rows: Iterable[object],
        *,
        on_duplicate: OnDuplicate = "raise",
        with_ids: bool = False,
        **options: Unpack[RecordOptions],
    ) -> EnqueuedMany:
        template = NewRecord(None, **options)
        steps = enqueue_many_steps(
            flow_name, rows, template, on_duplicate, with_ids=with_ids, is_follow_up=False
        )
        with producer_span("enqueue", flow_name):
            with self.database.transaction() as cursor:
                enqueued = run_atomically(cursor, steps)
            self._hint(enqueued)
        return enqueued

    def wait_for(self, record_id: int, timeout_seconds: float) -> FinishedRecord:
        """See `queue_store.wait_for`."""
        return waiting.wait_for(self.database, record_id, timeout_seconds)

    async def wait_for_async(self, record_id: int, timeout_seconds: float) -> FinishedRecord:
        """See `queue_store.wait_for_async`."""
        return await waiting.wait_for_async(self.database, record_id, timeout_seconds)

    def await_for(self, record_id: int, timeout_seconds: float) -> Coroutine[Any, Any, FinishedRecord]:
        """Deprecated: the old name of `wait_for_async`."""
        warnings.warn("await_for is called wait_for_async", DeprecationWarning, stacklevel=2)
        return self.wait_for_async(record_id, timeout_seconds)

    @contextmanager
    def open_run(
        self, options: RunOptions, worker_process_id: UUID, celery_task_id: str | None = None
    ) -> Generator[Run]:
        """A new run. The first claim that finds records registers the run. When the context exits, the run ends, even
        after an error."""
        position = QueuePosition(self.settings.cursor_seconds, self.settings.aging_claims)
        with Run(self.database, options, position, worker_process_id, celery_task_id) as run:
            try:
                yield run
            finally:
                if run.is_registered:
                    run.end()

    def _hint(self, enqueued: Enqueued | EnqueuedMany) -> None:
        if self._hint_sender is not None:
            send_hint(self._hint_sender, enqueued.flow_name, enqueued.celery_queue)
