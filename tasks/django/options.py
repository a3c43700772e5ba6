"""The backend's OPTIONS, which are checked when Django makes the backend."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

from django.utils.module_loading import import_string

from queue_store.enqueueing.after_commit import check_hint_sender
from queue_store.errors import QueueStoreError
from queue_store.suggestions import closest, did_you_mean

from .payloads import named_task
from .task_library import InvalidTask, InvalidTaskBackend

FLOW_OPTIONS = (
    "batch_size", "max_runs", "concurrency", "express", "time_limit_seconds", "max_retries", "backoff", "retry_on",
    "failure_blocks_key", "schedule", "schedule_payload",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """`database`: the alias of the database that holds the queue. `flow`: options of @flow for every task. `flows`:
    options of @flow for single tasks, by the path of the task. `modules`: the modules that declare tasks, in addition
    to the module `tasks` of each app. `hint_sender`: an object with the method `send`, or the path of such an object.
    `page_url`: the URL of the Queue page, for links in the admin."""

    database: str = "default"
    flow: Mapping[str, Any] = field(default_factory=dict[str, Any])
    flows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    modules: tuple[str, ...] = ()
    hint_sender: Any = None
    page_url: str = ""

    def flow_options(self, module_path: str) -> dict[str, Any]:
        return {**self.flow, **self.flows.get(module_path, {})}

    def sender(self) -> Any:
        """The hint sender; None if no hints are sent. Raises InvalidTaskBackend."""
        sender = self.hint_sender
        try:
            sender = import_string(sender) if isinstance(sender, str) else sender
        except ImportError as error:
            raise InvalidTaskBackend(
                f"hint_sender names {self.hint_sender}, which cannot be imported: {error}"
            ) from error
        if sender is None:
            return None
        if isinstance(sender, type):
            raise InvalidTaskBackend(f"hint_sender names the class {sender.__name__}: name an object of it")
        try:
            check_hint_sender(sender)
        except QueueStoreError as error:
            raise InvalidTaskBackend(str(error)) from error
        return sender


def read_options(alias: str, given: Mapping[str, Any]) -> Options:
    """Raises InvalidTaskBackend for unknown options."""
    place = f'TASKS["{alias}"]["OPTIONS"]'
    known = [option.name for option in fields(Options)]
    for name in given:
        _check_known(place, name, known)
    options = Options(**given)
    for name in options.flow:
        _check_known(f'{place}["flow"]', name, FLOW_OPTIONS)
    for path, changes in options.flows.items():
        for name in changes:
            _check_known(f'{place}["flows"]["{path}"]', name, FLOW_OPTIONS)
    return options


def wrong_keys(alias: str, options: Options, declared_paths: Callable[[], Collection[str]]) -> list[str]:
    """A sentence for each key of `flows` whose options would apply to no task. Imports the modules of the keys before
    it calls `declared_paths`, because these modules may declare tasks."""
    place = f'TASKS["{alias}"]["OPTIONS"]["flows"]'
    causes = {path: _cause_of_failed_import(path) for path in options.flows}
    declared = declared_paths()
    faults = {
        path: _fault_of(path, alias, options)
        if path in declared
        else f"is no declared task{cause}{did_you_mean(closest(path, declared))}"
        for path, cause in causes.items()
    }
    return [f"{place} names {path}, which {fault}" for path, fault in faults.items() if fault]


def _cause_of_failed_import(path: str) -> str:
    module = path.rpartition(".")[0]
    if not module or module.startswith("."):
        return ""
    try:
        import_module(module)
    except ImportError as error:
        return f": {module} cannot be imported: {error}"
    return ""


def _fault_of(path: str, alias: str, options: Options) -> str:
    """Why the options would not apply to this declared task; "" if they apply."""
    try:
        task = named_task(path)
    except InvalidTask as error:
        return f"no worker finds: {error}"
    applied: Options | None = getattr(task.get_backend(), "flow_settings", None)
    is_same = applied is not None and applied.flow_options(path) == options.flow_options(path)
    if task.backend == alias or is_same:
        return ""
    return f'is declared for the backend "{task.backend}": its options belong in TASKS["{task.backend}"]'


def _check_known(place: str, name: str, known: list[str] | tuple[str, ...]) -> None:
    if name not in known:
        hint = did_you_mean(closest(name, known, 0.5)) or f"; there are {', '.join(known)}"
        raise InvalidTaskBackend(f"{place} has no option {name}{hint}")
