"""A declared flow: its name, its handler and its options."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

import psycopg
from celery.schedules import crontab, schedule as interval

from queue_store.queue_schema import celery_queue_name
from queue_store.records.record import Record
from queue_store.settings import ProcessorSettings

from .payloads.payload_type import PayloadType, Upgrade
from .retries import DEFAULT_BACKOFF, Backoff, DelayFunction, RetryPolicy, policy_of, retry_delay_seconds

Handler = Callable[..., Any]


class OptionsButBatch(TypedDict, total=False):
    """The options of `@flow(...)` except `batch`, which decides what the handler receives."""

    name: str
    queue: str
    batch_size: int | None
    max_runs: int | None
    concurrency: int
    express: bool | None
    time_limit_seconds: float | None
    session_settings: Sequence[str]
    idle_in_transaction_seconds: float | None
    max_retries: int | None
    backoff: Backoff | DelayFunction
    retry_on: Mapping[type[BaseException], RetryPolicy]
    failure_blocks_key: bool
    before: Handler | None
    after: Handler | None
    failed: Handler | None
    schedule: crontab | interval | None
    schedule_payload: Any
    version: int | None
    upgrade: Mapping[int, Upgrade] | None


class FlowOptions(OptionsButBatch, total=False):
    """The options of `@flow(...)`. docs/flows.md has an example of each."""

    batch: bool


@dataclass(frozen=True, slots=True)
class Flow:
    """A declared flow. If `batch_size`, `max_retries` or `max_crash_strikes` is None, the setting of the same name
    applies."""

    name: str
    handler: Handler
    is_async: bool
    context_parameter: str | None
    transaction_parameter: str | None
    transaction_type: type | None
    queue: str = "flows"
    batch: bool = False
    batch_size: int | None = None
    max_runs: int | None = None
    concurrency: int = 1
    express: bool | None = None
    time_limit_seconds: float | None = None
    session_settings: Sequence[str] = ()
    idle_in_transaction_seconds: float | None = None
    max_retries: int | None = None
    backoff: Backoff | DelayFunction = DEFAULT_BACKOFF
    retry_on: Mapping[type[BaseException], RetryPolicy] = field(
        default_factory=dict[type[BaseException], RetryPolicy]
    )
    failure_blocks_key: bool = False
    before: Handler | None = None
    after: Handler | None = None
    failed: Handler | None = None
    schedule: crontab | interval | None = None
    schedule_payload: Any = None
    version: int | None = None
    upgrade: Mapping[int, Upgrade] | None = None
    payload_type: PayloadType | None = None

    @property
    def record_class(self) -> type[Record]:
        """The class of the records that a run of this flow claims."""
        return Record if self.payload_type is None else self.payload_type.record_class

    @property
    def max_crash_strikes(self) -> int | None:
        """The number of crash strikes after which a record fails. None: use the setting of the same name."""
        return None

    @property
    def is_reset_weekly(self) -> bool:
        """Whether the weekly reset may give the flow's failed records another attempt."""
        return True

    @property
    def needs_main_thread(self) -> bool:
        """Whether the flow's handler needs the main thread, because it has a soft time limit. A signal can interrupt
        only handlers in the main thread. Runs that a hint starts use the main thread. So an idle process that finds
        work for the flow sends a hint, and does not begin a run. If no hint can be sent, the handler runs in the thread
        that found the work."""
        return False

    @property
    def most_unwritten_seconds(self) -> float:
        """How long an outcome may wait to be written. After a crash, records with unwritten outcomes are processed
        again."""
        return math.inf

    @property
    def celery_queue(self) -> str:
        return celery_queue_name(self.queue)

    @property
    def needs_sqlalchemy(self) -> bool:
        """Whether the flow's handler needs SQLAlchemy. A handler with psycopg's AsyncConnection also needs SQLAlchemy,
        because an asynchronous handler's connection comes from SQLAlchemy's engine."""
        return self.transaction_type not in (None, psycopg.Connection)

    def batch_size_or_default(self, settings: ProcessorSettings) -> int:
        return self.batch_size or settings.batch_size

    def max_retries_or_default(self, settings: ProcessorSettings) -> int:
        return settings.max_retries if self.max_retries is None else self.max_retries

    def retry_delay_seconds(self, failed_attempts: int, error: BaseException) -> float | None:
        """The delay before the next attempt. None if the error is permanent."""
        return retry_delay_seconds(self.backoff, self.retry_on, failed_attempts, error)

    def retry_policy(self, error: BaseException) -> RetryPolicy | None:
        """The policy for this error. None if there is no such policy, so that the flow's own back-off decides."""
        return policy_of(self.retry_on, error)
