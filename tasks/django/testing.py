"""Helpers for the tests of a Django application: its tasks run in the test's own process and transaction.

Nothing is simulated: the queue's own statements claim and complete the records. These statements use Django's
connection. If a test has a transaction open, the statements use savepoints, so that TestCase rolls everything back.
"""

from collections.abc import Callable
from importlib import import_module
from threading import get_ident
from typing import Any, cast
from uuid import uuid4

from asgiref.sync import async_to_sync
from django.db import connections, transaction
from django.db.models.signals import post_migrate
from django.test.runner import DiscoverRunner
from psycopg.pq import TransactionStatus
from sqlalchemy import delete

from queue_store.database import schema
from queue_store.database.manager import DatabaseManager
from queue_store.database.tables import flow_execution_logs, processing_queue
from queue_store.flows import register, with_work
from queue_store.records.record import Outcome, Record
from queue_store.runs.in_one_transaction import OneConnection, make_due
from queue_store.runs.queue_position import QueuePosition
from queue_store.runs.run import Run, RunOptions
from queue_store.settings import load_processor_settings

from ..authoring.flow import Flow
from ..authoring.registry import all_flows
from ..run_loop.attempt import Attempts
from ..run_loop.guest import own_this_process
from ..run_loop.limits import Limits
from ..run_loop.one_body import run_without_waiting
from ..worker.current_run import CurrentRun
from ..worker.services import declaration
from .database import driver_connection, opened_manager
from .our_backends import queue_alias

MAXIMUM_RUNS = 1_000


class QueueTestRunner(DiscoverRunner):
    """A class for the setting TEST_RUNNER. With this runner, the test database of the backend has the queue's tables,
    and the tasks are registered there as flows."""

    def setup_databases(self, **kwargs: Any) -> Any:
        """Prepares the database before Django copies it for parallel test processes."""
        prepare_test_databases()
        return super().setup_databases(**kwargs)


def prepare_test_databases() -> None:
    """Does what QueueTestRunner does, for other test runners such as pytest-django. Call this before the test
    databases are made. Idempotent."""
    post_migrate.connect(_prepare, dispatch_uid="processing_queue.django.testing")


def run_tasks(*, also_later: bool = False) -> int:
    """Run the due tasks, and the tasks that they enqueue, until no task is due. Returns the number of attempts.

    This works in a TestCase and in a TransactionTestCase. `also_later`: also run further attempts, and tasks whose
    `run_after` is in the future, without waiting. Time limits are not enforced.
    """
    database = OneConnection(_current_driver(queue_alias()))
    flows = {flow.name: flow for flow in _flows()}
    own_this_process()  # Django forks the processes for parallel tests
    attempts = 0
    for _ in range(MAXIMUM_RUNS):
        with database.transaction() as cursor:
            if also_later:
                make_due(cursor)
            due = next((flow for flow in with_work(cursor) if flow.flow_name in flows), None)
        if due is None:
            return attempts
        attempts += _run(database, flows[due.flow_name])
    raise AssertionError(f"tasks are still due after {MAXIMUM_RUNS} runs: one of them enqueues itself again")


def empty_queue() -> None:
    """Delete all records and runs. Call this in the setUp of a TransactionTestCase, whose records stay when the test
    ends. A TestCase needs no such call, because it rolls its records back."""
    with opened_manager(queue_alias()) as manager, manager.engine.begin() as connection:
        connection.execute(delete(processing_queue))
        connection.execute(delete(flow_execution_logs))


def _current_driver(alias: str) -> Callable[[], Any]:
    """Returns a function that returns the driver's connection. In the thread that runs the test, the function asks
    Django each time, because Django may connect anew between tasks. Another thread, which writes the progress of an
    async task, gets the connection that the test's thread got last. So the progress is written into the test's
    transaction."""
    owner, driver = get_ident(), driver_connection(alias)

    def current() -> Any:
        nonlocal driver
        if get_ident() == owner:
            driver = driver_connection(alias)
        return driver

    return current


def _flows() -> list[Flow]:
    import_module("processing_queue.django.flows")
    return all_flows()


def _prepare(sender: Any, using: str, **_: Any) -> None:
    if sender.name != "processing_queue.django" or using != queue_alias():
        return
    settings = load_processor_settings()
    with opened_manager(using) as manager:
        schema.migrate(manager.engine)
        with manager.transaction() as cursor:
            register(cursor, [declaration(flow, settings) for flow in _flows()])


def _run(database: OneConnection, flow: Flow) -> int:
    """Run the flow until none of its records is due. Returns the number of attempts."""
    settings = load_processor_settings()
    options = RunOptions(
        flow.name, flow.batch_size_or_default(settings), flow.max_retries_or_default(settings)
    )
    position = QueuePosition(settings.cursor_seconds, settings.aging_claims)
    with Run(cast(DatabaseManager, database), options, position, uuid4()) as run:
        attempts = Attempts(flow, CurrentRun(run), Limits(flow))
        records = run.begin()
        while records:
            run.write([_attempt(attempts, record) for record in records])
            records = run.claim()
        if run.is_registered:
            run.end()
        return run.counts.records_claimed


def _attempt(attempts: Attempts, record: Record) -> Outcome:
    """Runs one attempt. Inside a test's transaction, the attempt uses a savepoint. So if a statement of the task fails,
    later statements still work, as they do in a worker."""
    alias = queue_alias()
    savepoint = transaction.savepoint(alias) if connections[alias].in_atomic_block else None
    body = attempts.attempt(record)
    outcome = async_to_sync(_awaited)(body) if attempts.flow.is_async else run_without_waiting(body)
    if savepoint is not None:
        _end_savepoint(savepoint, alias)
    return outcome


def _end_savepoint(savepoint: str, alias: str) -> None:
    """Rolls back to the savepoint if a statement failed, or if Django wants a rollback, for example after an error in
    `save()`. Otherwise releases the savepoint. If Django wants a rollback, it refuses every statement until
    `set_rollback(False)` is called."""
    connection = connections[alias]
    failed = connection.connection.info.transaction_status == TransactionStatus.INERROR
    is_broken = failed or connection.needs_rollback
    transaction.set_rollback(False, using=alias)
    end = transaction.savepoint_rollback if is_broken else transaction.savepoint_commit
    end(savepoint, alias)


async def _awaited(body: Any) -> Any:
    return await body
