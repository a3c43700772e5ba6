"""Handlers of Celery's signals. In a worker's main process, the signal handlers check and prepare the start, and stop
the children at the end. The work itself begins in the pool children."""

import logging
import multiprocessing
import os
import sys
from collections.abc import Iterable
from multiprocessing.process import AuthenticationString  # type: ignore[attr-defined]
from typing import Any

from celery.signals import (
    beat_init,
    celeryd_after_setup,
    celeryd_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from queue_store.enqueueing.hints import broker_problem
from queue_store.errors import QueueStoreError, SettingsError
from queue_store.queue_schema import celery_queue_name
from queue_store.settings import load_processor_settings, wrong_settings

from ..app import app
from ..authoring.flow import Flow
from ..authoring.registry import all_flows, applications, load_flows, modules_without_flows
from ..celery_hardening.authority import Place, enter
from ..celery_hardening.message_rules import bound_decompression
from ..celery_hardening.remote_control import keep_harmless_commands
from ..celery_hardening.start_guard import StartGuard
from ..long_lived import keep_what_is_loaded
from ..observing.tracing import check_tracing, flush_spans, trace_attempts
from ..worker import time_limit
from ..worker.shared_slots import is_pool_child, shared_slots
from .django_fixups import install_django_fixups
from .group_sigterm import survive_group_sigterm
from .orderly_children import OrderlyChildren
from .other_tasks import serve_other_tasks, take_limits_from_pool, trace_other_tasks, watch_other_tasks
from .patient_start import check_schema
from .spawned_children import celery_queues
from .unread_results import bound_wait_for_unread_results

logger = logging.getLogger(__name__)

SUPPORTED_POOLS = ("prefork", "solo", "processes")
GOODBYE_SECONDS = 25.0
CLOSE_SECONDS = 10.0

_threads: list[Any] = []
_starts: list[StartGuard] = []


@celeryd_init.connect
def check_before_start(options: dict[str, Any] | None = None, **_: Any) -> None:
    """Refuses to start with wrong settings or flows, an unusable schema or an unsupported pool."""
    from .deaf_children import DeafChildren

    enter(Place.MAIN_PROCESS)
    app.steps["worker"].update((DeafChildren, OrderlyChildren))  # pyright: ignore[reportOptionalSubscript]  (the stub)
    bound_decompression()
    keep_harmless_commands()
    logging.getLogger("celery.concurrency").setLevel(logging.INFO)  # DEBUG would log the bodies of messages
    pool = (options or {}).get("pool") or app.conf.worker_pool
    _refuse_to_start_unless_ready([] if _pool_name(pool) in SUPPORTED_POOLS else [
        f"the pool {_pool_name(pool)} is not supported: use --pool=prefork (or solo for tests)"
    ])  # fmt: skip
    try:
        flows = load_flows(load_processor_settings())
    except SettingsError as error:
        sys.exit(str(error))
    import_what_handlers_need(flows.values())
    serve_other_tasks(app)


def import_what_handlers_need(flows: Iterable[Flow]) -> None:
    """Import SQLAlchemy once before the fork, if handlers need it. Otherwise each pool child would import SQLAlchemy
    while the child's first record waits."""
    if any(flow.needs_sqlalchemy for flow in flows):
        from queue_store.database import held_with_sqlalchemy, sqlalchemy_engine  # noqa: F401


@beat_init.connect
def check_before_beat(**_: Any) -> None:
    _refuse_to_start_unless_ready([])


@celeryd_after_setup.connect
def remember_celery_queues(sender: Any = None, instance: Any = None, **_: Any) -> None:
    if instance is not None:
        take_limits_from_pool(instance)
    celery_queues[:] = serve_own_queues()
    _starts[:] = [StartGuard(app.conf.broker_url, str(sender), str(shared_slots.worker_id))]
    _starts[0].begin(celery_queues)
    say_what_is_served()
    keep_what_is_loaded()  # before the fork: a collection in a child would copy memory that it shares with this process


def serve_own_queues() -> list[str]:
    """Serve the queues of this schema. In a schema `billing`, `-Q slow` serves `billing.slow` if a flow declares the
    queue `slow`. Returns the names of the queues that are served."""
    flows = load_flows(load_processor_settings()).values()
    declared = {flow.queue for flow in flows} | {"flows", "control"}
    named = sorted(app.amqp.queues.consume_from)
    served = sorted({celery_queue_name(queue) if queue in declared else queue for queue in named})
    if served != named:
        app.amqp.queues.select(served)
    return served


def say_what_is_served() -> None:
    """Log which flows this worker serves, which Celery queues other workers must serve, and which modules have no flow.
    Without these lines in the log, nothing would show that no worker serves a flow, and its records would wait."""
    settings = load_processor_settings()
    flows = load_flows(settings).values()
    for module in modules_without_flows(settings):
        logger.warning("FLOW_MODULES names %s, which declares no flow", module)
    here = sorted(flow.name for flow in flows if flow.celery_queue in celery_queues)
    logger.info("serves the Celery queues %s, flows: %s", ", ".join(celery_queues), ", ".join(here) or "none")
    elsewhere = sorted({flow.celery_queue for flow in flows} - set(celery_queues))
    for queue in elsewhere if here else []:
        names = ", ".join(sorted(flow.name for flow in flows if flow.celery_queue == queue))
        logger.warning(
            "this worker does not serve the Celery queue %s: another worker must serve it (-Q %s), for flows %s",
            queue,
            queue,
            names,
        )
    if applications():  # their tasks that are not durable may use these queues
        return
    served = {flow.celery_queue for flow in flows} | {celery_queue_name("control")}
    for queue in set(celery_queues) - served:
        logger.warning(
            "no flow uses the Celery queue %s; the flows' queues are %s", queue, ", ".join(sorted(served))
        )


@worker_ready.connect
def let_children_work(**_: Any) -> None:
    shared_slots.make_ready()


@worker_shutting_down.connect
def stop_children(**_: Any) -> None:
    """In the main process: ask all children to stop. Each child looks for this request between two records. If Celery
    does not send this signal, OrderlyChildren asks the children to stop."""
    shared_slots.stop()


@worker_shutdown.connect
def say_end(sender: Any = None, **_: Any) -> None:
    if _starts and not getattr(sender, "exitcode", None):
        _starts[0].end()


@worker_process_init.connect
def open_worker_process(sender: str | None = None, **_: Any) -> None:
    from ..worker.services import open_services
    from .heartbeat import Heartbeat
    from .idle_poll import IdlePoll
    from .sentinel import Sentinel

    enter(Place.POOL_CHILD)
    survive_group_sigterm()
    _allow_child_processes()
    time_limit.install()
    import_what_handlers_need(all_flows())  # already done before a fork, but not in a spawned child
    services = open_services(celery_queues or [celery_queue_name("flows"), celery_queue_name("control")])
    install_django_fixups()  # already done before a fork, but not in a spawned child
    serve_other_tasks(app)
    trace_other_tasks(app, sender)
    watch_other_tasks()
    _threads[:] = [Heartbeat(services), IdlePoll(services), Sentinel(services)]
    for thread in _threads:
        thread.start()
    if services.settings.tracing:
        trace_attempts()
    bound_wait_for_unread_results()
    keep_what_is_loaded()


@worker_process_shutdown.connect
def close_worker_process(**_: Any) -> None:
    from ..monitoring.deadline import call_with_deadline
    from ..worker.services import worker_services

    if not _threads or worker_services().process.pid != os.getpid():
        return
    heartbeat, idle_poll, sentinel = _threads
    _threads.clear()
    sentinel.end()
    idle_poll.end(GOODBYE_SECONDS)
    heartbeat.end()
    try:
        call_with_deadline(worker_services().close, CLOSE_SECONDS, thread_name="goodbye")
    except QueueStoreError as error:
        logger.warning("could not deregister; this process is declared dead when its lease ends: %s", error)
    if worker_services().settings.tracing:
        flush_spans()


def _allow_child_processes() -> None:
    """Let handlers start processes. Celery's pool marks its children as daemons, and `multiprocessing` does not let
    a daemon start a process. To spawn a process, `multiprocessing` also needs an authentication key of its own type,
    and Celery's pool sets a key of another type."""
    if is_pool_child():
        process: Any = multiprocessing.current_process()
        process.daemon = False
        process._config["authkey"] = AuthenticationString(process.authkey)


def _pool_name(pool: Any) -> str:
    return pool if isinstance(pool, str) else str(getattr(pool, "__module__", pool)).rpartition(".")[2]


def _refuse_to_start_unless_ready(problems: list[str]) -> None:
    try:
        problems = problems + settings_problems()
        if problems:
            raise SettingsError(problems)
        check_schema("processing_queue check")
    except QueueStoreError as error:
        sys.exit(str(error))


def _problems_with_celery_settings() -> list[str]:
    problem = (
        broker_problem(app.conf.broker_url)
        if app.conf.broker_url
        else "is missing: the URL of the Redis broker"
    )
    return [f"CELERY_BROKER_URL {problem}"] if problem else []


def settings_problems() -> list[str]:
    problems = _problems_with_celery_settings() + wrong_settings()
    try:
        check_tracing()
    except SettingsError as error:
        problems += error.problems
    return problems
