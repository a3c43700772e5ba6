"""The facade of the queue: every arrow of the state machine can be reached from here."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Unpack
from uuid import UUID

from queue_store import enqueueing, waiting
from queue_store.claims import ClaimCursor
from queue_store.database_manager import DatabaseManager
from queue_store.enqueueing import Enqueued, EnqueuedMany, OnDuplicate, RecordOptions
from queue_store.operators import Operators
from queue_store.rescue import Rescue
from queue_store.run import Run, RunOptions
from queue_store.settings import ProcessorSettings, load_processor_settings
from queue_store.waiting import FinishedRecord

if TYPE_CHECKING:
    from queue_store.hints import HintSender


class DistributedProcessor(Operators):
    """Enqueues, opens runs (which claim, complete, retry, fail, snooze and release), rescues, and does what operators
    ask for. Each call is a transaction of its own; to enqueue in yours, use `queue_store.enqueue`."""

    def __init__(
        self,
        database: DatabaseManager | None = None,
        settings: ProcessorSettings | None = None,
        hint_sender: "HintSender | None" = None,
    ) -> None:
        super().__init__(database or DatabaseManager())
        self.settings = settings or load_processor_settings()
        self.rescue = Rescue(self.database, self.settings)
        self._hint_sender = hint_sender

    def enqueue(
        self,
        flow_name: str,
        payload: object,
        *,
        on_duplicate: OnDuplicate = "raise",
        **options: Unpack[RecordOptions],
    ) -> Enqueued:
        with self.database.transaction() as cursor:
            enqueued = enqueueing.enqueue(cursor, flow_name, payload, on_duplicate=on_duplicate, **options)
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
        with self.database.transaction() as cursor:
            enqueued = enqueueing.enqueue_many(
                cursor, flow_name, rows, on_duplicate=on_duplicate, with_ids=with_ids, **options
            )
        self._hint(enqueued)
        return enqueued

    def wait_for(self, record_id: int, timeout_seconds: float) -> FinishedRecord:
        """See `queue_store.wait_for`."""
        return waiting.wait_for(self.database, record_id, timeout_seconds)

    async def await_for(self, record_id: int, timeout_seconds: float) -> FinishedRecord:
        return await waiting.await_for(self.database, record_id, timeout_seconds)

    @contextmanager
    def open_run(
        self, options: RunOptions, worker_process_id: UUID, celery_task_id: str | None = None
    ) -> Generator[Run]:
        """A run that was not registered yet: its first claim does that. Ended at the end, whatever happens."""
        cursor = ClaimCursor(self.settings.cursor_seconds, self.settings.aging_claims)
        with Run(self.database, options, cursor, worker_process_id, celery_task_id) as run:
            try:
                yield run
            finally:
                if run.is_registered:
                    run.end()

    def _hint(self, enqueued: Enqueued | EnqueuedMany) -> None:
        if self._hint_sender is not None:
            self._hint_sender.send(enqueued.flow_name, enqueued.celery_queue)
