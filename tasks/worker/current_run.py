"""The state that the heartbeat shares with the run and with the run's handlers. No lock protects this state."""

import asyncio
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from psycopg import Cursor

from queue_store.enqueueing.connections import run as run_steps
from queue_store.enqueueing.steps import refuse_flow
from queue_store.errors import QueueStoreError
from queue_store.flows import read_flow_names
from queue_store.liveness.worker_processes import EndRequest, InHand
from queue_store.records import progress
from queue_store.records.record import Record
from queue_store.runs.run import Run

from .time_limit import masked


class Handlers(Protocol):
    """The handlers that the run is calling, as the heartbeat sees them."""

    def oldest(self) -> InHand | None: ...

    def end(self, request: EndRequest) -> None:
        """Ends the process if one of its handlers is processing the record under the claim that the request names."""
        ...

    def end_overdue(self) -> None:
        """Ends the process if a handler has run for too long."""
        ...


@dataclass(slots=True)
class CurrentRun:
    run: Run
    is_lost: bool = False
    flow_is_closed: bool = False
    process_is_full: bool = False
    is_in_the_way: bool = False  # another task or thread of this process waits until this run ends
    batch_size: int | None = None  # for the next claim, if an operator has changed the batch size
    cancelled_ids: frozenset[int] = field(default_factory=frozenset[int])
    known_flows: set[str] = field(default_factory=set[str])
    handlers: Handlers | None = None
    progress_reports: int = 0
    claim_slice: Callable[[], None] | None = (
        None  # claims the rest of the express slice, or raises ClaimFirst
    )
    server_identity: str | None = None  # the server on which this run began, if known
    pid: int = field(default_factory=os.getpid)
    thread_id: int = field(default_factory=threading.get_ident)  # the thread of the run

    @property
    def max_retries(self) -> int:
        return self.run.options.max_retries

    def is_cancelled(self, record: Record) -> bool:
        return record.id in self.cancelled_ids

    def write_progress(self, record: Record, encoded_progress: bytes) -> bool:
        self.progress_reports += 1
        if self.claim_slice is not None and os.getpid() == self.pid:  # only claimed records can have progress
            with masked():
                self.claim_slice()
        with self._transaction() as cursor:
            return progress.report(cursor, record, encoded_progress)

    def check_flow(self, flow_name: str) -> None:
        """Raises UnknownFlowError. Reads the database only if no earlier call has read the flow's name."""
        if flow_name not in self.known_flows:
            with self._transaction() as cursor:
                self.known_flows.update(read_flow_names(cursor))
                if flow_name not in self.known_flows:
                    run_steps(cursor, refuse_flow(flow_name))

    async def write_progress_async(self, record: Record, encoded_progress: bytes) -> bool:
        return await asyncio.to_thread(self.write_progress, record, encoded_progress)

    @contextmanager
    def _transaction(self) -> Generator[Cursor[Any]]:
        """Raises QueueStoreError in a child process that the handler started, because no run is registered in the
        child process."""
        if os.getpid() != self.pid:
            raise QueueStoreError(
                "a child process of a handler cannot use the handler's context: return to the handler what it needs"
            )
        with masked(), self.run.database.transaction() as cursor:
            yield cursor
