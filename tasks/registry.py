"""The flows of this process: those of the modules named in the setting FLOW_MODULES, and of the entry points
`processing_queue.flows` of installed packages."""

from importlib import import_module
from importlib.metadata import entry_points

from queue_store.errors import SettingsError
from queue_store.settings import ProcessorSettings
from tasks.exceptions import FlowDeclarationError
from tasks.flow import Flow

ENTRY_POINT_GROUP = "processing_queue.flows"

_flows: dict[str, Flow] = {}


def register(declared: Flow) -> None:
    """Raises FlowDeclarationError for a second flow of the same name from another place."""
    known = _flows.get(declared.name)
    if known is not None and place_of(known) != place_of(declared):
        raise FlowDeclarationError(
            f"flow {declared.name} is declared twice: {place_of(known)} and {place_of(declared)}"
        )
    _flows[declared.name] = declared


def load_flows(settings: ProcessorSettings) -> dict[str, Flow]:
    """Import what the settings and the installed packages name, and return all flows. Raises SettingsError."""
    problems: list[str] = []
    for module in settings.flow_modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            problems.append(f"FLOW_MODULES names {module}, which cannot be imported: {error}")
    for entry_point in entry_points(group=ENTRY_POINT_GROUP):
        entry_point.load()
    if problems:
        raise SettingsError(problems)
    return dict(_flows)


def all_flows() -> list[Flow]:
    """Those that were loaded, whatever Celery queue they belong to."""
    return list(_flows.values())


def find_flow(name: str) -> Flow | None:
    return _flows.get(name)


def place_of(declared: Flow) -> str:
    """Where its handler is written."""
    handler = declared.handler
    return f"{handler.__module__}.{getattr(handler, '__qualname__', type(handler).__qualname__)}"
