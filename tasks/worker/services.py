"""The services of one worker process. These services exist as long as the pool child exists."""

import logging
import os
import platform
import socket
import threading
import time
from collections import defaultdict
from importlib.metadata import version
from typing import Any

from queue_store import __version__, flows as flow_store
from queue_store.database.manager import DatabaseManager
from queue_store.database.versions import latest_version
from queue_store.enqueueing.hints import CeleryHintSender
from queue_store.flows import FlowDeclaration
from queue_store.liveness import worker_processes
from queue_store.liveness.rescue import Rescue
from queue_store.liveness.worker_processes import WorkerProcess
from queue_store.queue_schema import server_wide_name
from queue_store.runs.queue_position import QueuePosition
from queue_store.settings import ProcessorSettings, load_processor_settings

from ..app import app
from ..authoring.declared_schedule import schedule_as_json
from ..authoring.flow import Flow
from ..authoring.registry import load_flows, place_of
from .current_run import CurrentRun
from .event_loop import EventLoop
from .failing_claims import FailingClaims
from .memory_limit import memory_limit_bytes
from .processors import processor_count
from .quick_batches import QuickBatches
from .shared_slots import SharedSlots, shared_slots
from .slice_watch import SliceWatch

LOOK_SECONDS = 0.05

logger = logging.getLogger(__name__)


class WorkerServices:
    """Services that are shared by the runs, heartbeats and tasks of this process. Create this object after the fork,
    never before it."""

    def __init__(self, settings: ProcessorSettings, celery_queues: list[str]) -> None:
        self.settings = settings
        self.slots: SharedSlots = shared_slots
        self.database = DatabaseManager(
            application_name=f"{server_wide_name()} worker {os.getpid()}",
            session_settings={
                "statement_timeout": f"{settings.statement_timeout_seconds:g}s",
                "lock_timeout": f"{settings.lock_timeout_seconds:g}s",
            },
        )
        self.rescue = Rescue(self.database, settings)
        self.failing_claims = FailingClaims(self.database)
        self.hints = CeleryHintSender(app)
        self.celery_queues = celery_queues
        self.flows = {name: f for name, f in load_flows(settings).items() if f.celery_queue in celery_queues}
        self.process = self._new_process()
        self.run_lock = threading.Lock()  # a process has only one run at a time
        self.task_lock = threading.Lock()  # held while the main thread executes one of the queue's own tasks
        self.current_run: CurrentRun | None = None
        self.is_full = False  # this process uses too much memory, so no further run begins
        self.is_ending = False  # this process ends because of a stuck handler, so no further work begins
        self.server_identity: str | None = None  # the identity that the last heartbeat read
        self.predecessor = shared_slots.enter(self.process.worker_process_id)
        self._positions: dict[str, QueuePosition] = {}
        self.quick_batches: defaultdict[str, QuickBatches] = defaultdict(QuickBatches)  # by flow
        self.slice_watch = SliceWatch()
        self._event_loop: EventLoop | None = None

    @property
    def event_loop(self) -> EventLoop:
        if self._event_loop is None:
            self._event_loop = EventLoop()
        return self._event_loop

    def position(self, flow_name: str) -> QueuePosition:
        if flow_name not in self._positions:
            self._positions[flow_name] = QueuePosition(
                self.settings.cursor_seconds, self.settings.aging_claims
            )
        return self._positions[flow_name]

    @property
    def is_closing(self) -> bool:
        """Whether this process begins no further run."""
        return self.slots.is_stopping or self.is_full or self.is_ending

    def wait_while_ending(self) -> None:
        """Returns at once if this process is not ending. Otherwise never returns, because `abort_process` ends the
        process."""
        while self.is_ending:
            time.sleep(LOOK_SECONDS)

    def renew(self) -> None:
        """Give this worker process a new id, because the process was declared dead under its old id. The old id never
        counts as alive again."""
        self.process = self._new_process()
        self.slots.enter(self.process.worker_process_id)

    def _new_process(self) -> WorkerProcess:
        return WorkerProcess(
            worker_id=self.slots.worker_id,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            flow_names=sorted(self.flows),
            celery_queues=self.celery_queues,
            versions=_versions(),
            pool_capacity=self.database.pool_capacity,
            memory_limit_bytes=memory_limit_bytes(),
            processor_count=processor_count(),
        )

    def register(self) -> None:
        """Store this process and its flows in the database. Raises DatabaseUnavailableError."""
        declarations = [declaration(f, self.settings) for f in self.flows.values()]
        with self.database.transaction() as cursor:
            flow_store.register(cursor, declarations)
            worker_processes.register(cursor, self.process)

    def close(self) -> None:
        """Mark this process as ended in the database. If this write fails, the error is raised, and the process is
        declared dead when its lease ends."""
        self.slots.leave()
        self.slice_watch.end()
        with self.database.transaction() as cursor:
            worker_processes.end(cursor, self.process.worker_process_id)
        if self._event_loop is not None:
            self._event_loop.run(self.database.dispose_async())
            self._event_loop.close()
        self.database.dispose()


def declaration(flow: Flow, settings: ProcessorSettings) -> FlowDeclaration:
    return FlowDeclaration(
        flow_name=flow.name,
        celery_queue=flow.celery_queue,
        batch_size=flow.batch_size_or_default(settings),
        max_runs=flow.max_runs,
        max_retries=flow.max_retries_or_default(settings),
        orphan_timeout_seconds=orphan_timeout_seconds(flow, settings),
        declared={
            "handler": place_of(flow),
            "is_async": flow.is_async,
            "batch": flow.batch,
            "schedule": None if flow.schedule is None else str(flow.schedule),
            "schedule_fields": schedule_as_json(flow.schedule),
            "one_commit": flow.transaction_type is not None,
            "concurrency": flow.concurrency,
            "express": flow.express,
            "failure_blocks_key": flow.failure_blocks_key,
            "time_limit_seconds": flow.time_limit_seconds,
            "max_crash_strikes": flow.max_crash_strikes,
            "weekly_reset": flow.is_reset_weekly,
            **_declared_payload(flow),
        },
    )


def _declared_payload(flow: Flow) -> dict[str, Any]:
    if flow.payload_type is None:
        return {}
    return {"payload_version": flow.payload_type.version, "payload_schema": flow.payload_type.schema()}


def orphan_timeout_seconds(flow: Flow, settings: ProcessorSettings) -> float:
    return max(settings.cleanup_timeout_hours * 3600, 2 * (flow.time_limit_seconds or 0))


def _versions() -> dict[str, str]:
    libraries = {name: version(name) for name in ("celery", "psycopg", "sqlalchemy")}
    ours = {"processing-queue": __version__, "schema": latest_version()}
    return ours | {"python": platform.python_version()} | libraries


_services: WorkerServices | None = None


def open_services(celery_queues: list[str]) -> WorkerServices:
    global _services  # noqa: PLW0603  (one per process, by nature)
    _services = WorkerServices(load_processor_settings(), celery_queues)
    return _services


def worker_services() -> WorkerServices:
    """Raises RuntimeError outside of a worker process."""
    if _services is None:
        raise RuntimeError(
            "this runs in a worker process only: start one with `celery -A processing_queue worker`"
        )
    return _services
