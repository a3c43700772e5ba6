"""The build hook: a wheel installs `tasks/` as `processing_queue`, and an editable install makes that name work too."""

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


class BuildHook(BuildHookInterface[Any]):
    """Adds what the package's two names need. `tasks` and `celeryconfig` are never installed by these names."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if version != "editable":
            build_data["force_include"][str(root / "celeryconfig.py")] = "processing_queue/celeryconfig.py"
            return
        folder = root / "tasks"
        module = Path(tempfile.mkdtemp()) / "processing_queue.py"
        module.write_text(EDITABLE_MODULE.format(init=str(folder / "__init__.py"), folder=str(folder)))
        build_data["force_include_editable"][str(module)] = module.name
