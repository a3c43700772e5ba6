"""The flows of this process come from the modules that the setting FLOW_MODULES names, and from the entry points
`processing_queue.flows` of installed packages."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol
from weakref import ref

from queue_store.enqueueing.payload_encoders import set_encoder, set_encoders
from queue_store.errors import SettingsError
from queue_store.settings import ProcessorSettings, environment_name

from ..exceptions import FlowDeclarationError
from .flow import Flow

ENTRY_POINT_GROUP = "processing_queue.flows"

_flows: dict[str, Flow] = {}
_applications: "list[ref[Application]]" = []


class Application(Protocol):
    """A Celery application whose tasks are flows."""

    tasks: Any

    def load_tasks(self) -> None:
        """Import the application's modules, and register its flows. Errors of an import are not caught."""
        ...


def register(flow: Flow) -> None:
    """Raises FlowDeclarationError if a flow of the same name is already declared elsewhere."""
    known = _flows.get(flow.name)
    if known is not None and place_of(known) != place_of(flow):
        raise FlowDeclarationError(
            f"flow {flow.name} is declared twice: {place_of(known)} and {place_of(flow)}"
        )
    _flows[flow.name] = flow
    set_encoder(flow.name, flow.payload_type.encode if flow.payload_type else None)


def load_flows(settings: ProcessorSettings) -> dict[str, Flow]:
    """Import the modules that the settings and the installed packages name, and return all flows. Raises
    SettingsError.

    The modules may also be in the current directory, which is searched last. Python itself does not search this
    directory when it runs an installed command.
    """
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109
        sys.path.append(here)
    problems: list[str] = []
    packages = entry_points(group=ENTRY_POINT_GROUP)
    for module in () if packages and _is_sample_by_default(settings) else settings.flow_modules:
        with _any_error_as_problem(f"FLOW_MODULES names {module}", problems):
            import_module(module)
    for entry_point in packages:
        place = f"the entry point {entry_point.name} of {ENTRY_POINT_GROUP} names {entry_point.value}"
        with _any_error_as_problem(place, problems):
            entry_point.load()
    for application in applications():
        with _any_error_as_problem(f"the application {application!r} has tasks", problems):
            application.load_tasks()
    if problems:
        raise SettingsError(problems)
    return dict(_flows)


def remember(application: Application) -> None:
    """After this call, `load_flows` also loads the tasks of this application, as soon as it has imported all modules.
    The reference to the application is weak, so it does not keep the application alive."""
    _applications.append(ref(application))


def applications() -> list[Application]:
    """The applications that were passed to `remember` and still exist."""
    return [application for reference in _applications if (application := reference()) is not None]


def _is_sample_by_default(settings: ProcessorSettings) -> bool:
    """Whether FLOW_MODULES is unset, so that its default, the sample, applies. If an installed package has flows, the
    default of FLOW_MODULES is ignored."""
    is_named = f"{environment_name()}_DISTRIBUTED_PROCESSOR_FLOW_MODULES" in os.environ
    return settings.flow_modules == ProcessorSettings().flow_modules and not is_named


def modules_without_flows(settings: ProcessorSettings) -> list[str]:
    """The loaded modules of FLOW_MODULES that have no flow. A module has a flow if the module or one of its submodules
    declares a flow. A module also has a flow if it imports a flow's function, or an application whose tasks are
    flows."""
    handlers: list[object] = [flow.handler for flow in _flows.values()]
    places = {handler.__module__ for handler in handlers}
    handlers += applications()
    return [
        name
        for name in settings.flow_modules
        if name in sys.modules
        and not any(place == name or place.startswith(f"{name}.") for place in places)
        and not any(value is handler for value in vars(sys.modules[name]).values() for handler in handlers)
    ]


@contextmanager
def _any_error_as_problem(place: str, problems: list[str]) -> Generator[None]:
    """Turns any error of an import into a reported problem. Otherwise Celery's signals would swallow the error, and the
    worker would be ready but useless."""
    try:
        yield
    except Exception as error:  # noqa: BLE001
        problems.append(f"{place}, which cannot be imported: {type(error).__name__}: {error}")


def all_flows() -> list[Flow]:
    return list(_flows.values())


@contextmanager
def empty_registry() -> Generator[None]:
    """For tests that declare flows. At the start of the `with` block, no flow is registered. After the block, the
    earlier flows are registered again."""
    flows, remembered = dict(_flows), list(_applications)
    _flows.clear()
    _applications.clear()
    set_encoders({})
    try:
        yield
    finally:
        _flows.clear()
        _flows.update(flows)
        _applications[:] = remembered
        set_encoders({flow.name: flow.payload_type.encode for flow in flows.values() if flow.payload_type})


def find_flow(name: str) -> Flow | None:
    return _flows.get(name)


def place_of(flow: Flow) -> str:
    handler = flow.handler
    return f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
