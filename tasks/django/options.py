"""The backend's OPTIONS, which are checked when Django makes the backend."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from django.utils.module_loading import import_string

from queue_store.suggestions import closest, did_you_mean

from .task_library import InvalidTaskBackend

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
        """The hint sender; None if no hints are sent."""
        return import_string(self.hint_sender) if isinstance(self.hint_sender, str) else self.hint_sender


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


def _check_known(place: str, name: str, known: list[str] | tuple[str, ...]) -> None:
    if name not in known:
        hint = did_you_mean(closest(name, known, 0.5)) or f"; there are {', '.join(known)}"
        raise InvalidTaskBackend(f"{place} has no option {name}{hint}")
