"""Gives the package one real name, `processing_queue`, whatever its folder is named.

The wheel installs this folder as `processing_queue`. In the repository and in containers, this folder is named `tasks`,
next to `celeryconfig.py`. In the repository and in containers, each module therefore has two names. For example,
`tasks.x` is also `processing_queue.x`, and `celeryconfig` is also `processing_queue.celeryconfig`. Both names refer to
the same module object, so that no registry exists twice.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

REAL_NAME = "processing_queue"
FOLDER_NAME = "tasks"
CONFIGURATION = "celeryconfig"
FOLDER = Path(__file__).resolve().parent
IS_CHECKOUT = FOLDER.name == FOLDER_NAME


class SameModule(Loader):
    """Makes a second name of a module refer to the module object that the real name refers to."""

    def __init__(self, real_name: str) -> None:
        self._real_name = real_name

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = import_module(self._real_name)


class CheckoutFinder(MetaPathFinder):
    """Finds, in a checkout, the modules `tasks` and `tasks.…`, and Celery's configuration: `celeryconfig` and
    `processing_queue.celeryconfig`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == f"{REAL_NAME}.{CONFIGURATION}":
            return _configuration_spec(fullname)
        if fullname == FOLDER_NAME and _is_ours(fullname, FOLDER / "__init__.py"):
            return ModuleSpec(fullname, SameModule(REAL_NAME))
        if fullname == CONFIGURATION and _is_ours(fullname, FOLDER.parent / f"{CONFIGURATION}.py"):
            return ModuleSpec(fullname, SameModule(f"{REAL_NAME}.{CONFIGURATION}"))
        if fullname.startswith(f"{FOLDER_NAME}.") and sys.modules[FOLDER_NAME] is sys.modules[REAL_NAME]:
            return ModuleSpec(fullname, SameModule(REAL_NAME + fullname.removeprefix(FOLDER_NAME)))
        return None


def _configuration_spec(fullname: str) -> ModuleSpec | None:
    file = FOLDER.parent / f"{CONFIGURATION}.py"
    imported = getattr(sys.modules.get(CONFIGURATION), "__file__", None)
    if imported and Path(imported).resolve() == file:
        return ModuleSpec(fullname, SameModule(CONFIGURATION))
    return spec_from_file_location(fullname, file)


def _is_ours(name: str, file: Path) -> bool:
    return _origin(name) == file


def _origin(name: str) -> Path | None:
    """Returns the file that `import name` would load from sys.path."""
    spec = PathFinder.find_spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin else None


def import_by_real_name() -> None:
    """Makes `import tasks` work in a checkout: imports the package by its real name, and makes `tasks` a second name
    of the same object.

    Raises ImportError if processing-queue is also installed from a wheel.
    """
    if REAL_NAME not in sys.modules:
        installed = _origin(REAL_NAME)
        if installed and installed.name == "__init__.py":
            raise ImportError(_both(FOLDER, installed.parent))
        spec = spec_from_file_location(
            REAL_NAME, FOLDER / "__init__.py", submodule_search_locations=[str(FOLDER)]
        )
        assert spec
        assert spec.loader
        module = sys.modules[REAL_NAME] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[REAL_NAME]
            raise
    # Python has loaded this module as `tasks.one_package`, too. Remove that second copy.
    sys.modules.pop(f"{FOLDER_NAME}.{Path(__file__).stem}", None)
    sys.modules[FOLDER_NAME] = sys.modules[REAL_NAME]


def check_neighbours() -> None:
    """Raises ImportError if `import queue_store` does not find the package `queue_store` next to this package. If the
    import finds another file, the error names that file."""
    store = _origin("queue_store")
    if store is None or store.parent.parent != FOLDER.parent:
        if store and (store.parent.parent / FOLDER_NAME / Path(__file__).name).exists():
            raise ImportError(_both(store.parent.parent, FOLDER))
        found = f"finds {store}" if store else "finds nothing"
        way_out = "Start the program in another directory" + (", or rename that file." if store else ".")
        raise ImportError(
            f"`import queue_store` {found}, but it must find the package that belongs to processing-queue in {FOLDER}. "
            f"{way_out}"
        )


def _both(checkout: Path, installed: Path) -> str:
    return (
        f"processing-queue would be imported twice: from the checkout {checkout} and from the installed package "
        f"{installed}. Run `pip uninstall processing-queue`, or start the program outside of the checkout."
    )
