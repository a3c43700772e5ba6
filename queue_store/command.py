"""The entry point of `queuectl`: checks whether the command line can be loaded, and then loads it."""

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "processing_queue"
NEEDS = ("click", "celery")


def main() -> None:
    """Runs `queuectl`. Exits with 1 and an explanation if Python would import another file instead of our package, or
    if the extra `worker` is missing."""
    hiding = _hiding_file()
    if hiding:
        sys.exit(
            f"Error: {hiding} hides the package `{PACKAGE}` of processing-queue. Rename that file, or start queuectl "
            "without the file's directory on PYTHONPATH."
        )
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        sys.exit(
            f"Error: queuectl needs {' and '.join(missing)}, which an installation for producers does not have: "
            "pip install 'processing-queue[worker]'"
        )
    import_module(f"{PACKAGE}.cli").main()


def _hiding_file() -> str | None:
    """The file that `import processing_queue` loads instead of our package. None if it loads our package."""
    spec = find_spec(PACKAGE)
    if spec is None:
        return None
    module = import_module(PACKAGE)
    if Path(getattr(module, "__file__", None) or "").parent.parent == Path(__file__).parents[1]:
        return None
    return spec.origin or ", ".join(spec.submodule_search_locations or ())
