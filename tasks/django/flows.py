"""Registers each task of this Django application as a flow, once for each queue that the task may use. Name this module
in FLOW_MODULES, and set DJANGO_SETTINGS_MODULE.

This module imports the module `tasks` of each installed app, and the modules that OPTIONS["modules"] and
the keys of OPTIONS["flows"] name.
"""

from importlib import import_module

import django
from django.apps import apps
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from queue_store.flow_names import RULE, is_flow_name

from ..authoring.declaration import declare
from ..authoring.flow import Flow
from ..authoring.registry import register
from ..exceptions import FlowDeclarationError
from .backend import ProcessingQueueBackend, declared_paths
from .handlers import TaskFlow
from .options import wrong_keys
from .our_backends import our_backends
from .payloads import named_task
from .task_library import InvalidTask

CELERY_QUEUE = "flows"  # the Celery queue for Django's queue `default`

SCHEDULE = ("schedule", "schedule_payload")


def declare_tasks() -> dict[str, Flow]:
    """The flows of all tasks whose backend is one of ours, by the name of the flow. Raises FlowDeclarationError."""
    autodiscover_modules("tasks")
    for backend in our_backends():
        for module in backend.flow_settings.modules:
            import_module(module)
    for backend in our_backends():
        for text in wrong_keys(backend.alias, backend.flow_settings, declared_paths):
            raise FlowDeclarationError(text)
    flows: dict[str, Flow] = {}
    for path in declared_paths():
        for flow in _flows_of(path):
            flows[flow.name] = flow
    return flows


def celery_queue(queue_name: str) -> str:
    """The Celery queue for a queue of Django. A worker with `-Q flows` serves Django's queue `default`."""
    return CELERY_QUEUE if queue_name == "default" else queue_name


def _flows_of(path: str) -> list[Flow]:
    """One flow for the queue that the task declares, and one for every other queue that `using()` may name."""
    try:
        task = named_task(path)
    except InvalidTask as error:
        raise FlowDeclarationError(str(error)) from None
    backend = task.get_backend()
    if not isinstance(backend, ProcessingQueueBackend):
        return []
    other_queues = sorted(backend.queues - {task.queue_name})
    names = {path: task.queue_name} | {f"{path}-{queue}": queue for queue in other_queues}
    return [_flow(task, backend, name, queue) for name, queue in names.items()]


def _flow(task: object, backend: ProcessingQueueBackend, name: str, queue_name: str) -> Flow:
    if not is_flow_name(name):
        raise FlowDeclarationError(f"the task {name!r} cannot be a flow: a name is {RULE}")
    functions = TaskFlow(task, backend.flow_settings.database, type(backend))
    path, _, other_queue = name.partition("-")
    options = backend.flow_settings.flow_options(path)
    if other_queue:  # otherwise each queue's flow would enqueue a record at each occurrence
        options = {option: value for option, value in options.items() if option not in SCHEDULE}
    return declare(
        functions.handler(),
        {
            **options,
            "name": name,
            "queue": celery_queue(queue_name),
            "failed": functions.failed_hook(),
        },
    )


if not apps.ready:
    django.setup()
    connections.close_all()  # a worker forks later, and a child must not use its parent's connection
for _flow_of_a_task in declare_tasks().values():
    register(_flow_of_a_task)
