"""The build hook. A wheel installs `tasks/` as `processing_queue`. In an editable install, a generated module provides
the name `processing_queue`.

A user's file can hide the package `queue_store` together with all its modules. So the console script `queuectl` starts
in a module outside the packages.
"""

import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

EDITABLE_MODULE = '''"""An editable install of processing-queue: this name is the folder tasks/ of its checkout."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tasks import *
    from tasks import app as app

_spec = spec_from_file_location(__name__, {init!r}, submodule_search_locations=[{folder!r}])
assert _spec and _spec.loader
_module = sys.modules[__name__] = module_from_spec(_spec)
_spec.loader.exec_module(_module)
'''

COMMAND_MODULE = '''"""The start of `queuectl`: it looks for a file that hides the package `queue_store`."""

import sys
from importlib.util import find_spec
from pathlib import Path


def main() -> None:
    """Runs `queuectl`. Exits with 1 and an explanation if a file hides `queue_store`."""
    spec = find_spec("queue_store")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    if spec and not any(Path(folder, "command.py").is_file() for folder in folders):
        hiding = spec.origin or ", ".join(folders)
        sys.exit(
            f"Error: {hiding} hides the package `queue_store` of processing-queue. Rename that file, or start queuectl "
            "without the file's directory on PYTHONPATH."
        )
    from queue_store.command import main as run

    run()
'''


class BuildHook(BuildHookInterface[Any]):
    """Adds the files that the names `processing_queue` and `queuectl` need. No file is installed as `tasks` or
    `celeryconfig`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root, made = Path(self.root), Path(tempfile.mkdtemp())
        command = made / "processing_queue_command.py"
        command.write_text(COMMAND_MODULE)
        if version != "editable":
            build_data["force_include"][str(command)] = command.name
            build_data["force_include"][str(root / "celeryconfig.py")] = "processing_queue/celeryconfig.py"
            return
        folder = root / "tasks"
        module = made / "processing_queue.py"
        module.write_text(EDITABLE_MODULE.format(init=str(folder / "__init__.py"), folder=str(folder)))
        for file in (command, module):
            build_data["force_include_editable"][str(file)] = file.name
