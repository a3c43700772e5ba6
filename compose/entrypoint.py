"""The entry point of the containers. It refuses to start if no command is given, or if a file hides one of this
project's packages. Otherwise it runs the command."""

import os
import sys
from importlib.machinery import PathFinder
from itertools import pairwise
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1]
PACKAGES = {"processing_queue": "tasks", "queue_store": "queue_store"}


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("Error: no command. Try: queuectl --help")
    sys.path[0] = str(Path.cwd())  # as Celery sets it
    packages = PACKAGES | ({"tasks": "tasks"} if names_tasks(command) else {})
    for name in packages:
        if hiding := hiding_file(name):
            sys.exit(
                f"Error: {hiding} hides the package `{name}` of processing-queue. Rename that file"
                + (", or start `celery -A processing_queue`." if name == "tasks" else ".")
            )
    os.execvp(command[0], command)  # noqa: S606  (the container's own command)


def names_tasks(command: list[str]) -> bool:
    """Whether the command starts Celery as `celery -A tasks`."""
    pairs = pairwise(command)
    return "--app=tasks" in command or any(
        option in ("-A", "--app") and app == "tasks" for option, app in pairs
    )


def hiding_file(name: str) -> str | None:
    """The file that `import NAME` would load instead of this project's package, or None."""
    spec = PathFinder.find_spec(name)
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    if origin is None or origin.is_relative_to(SOURCE) or origin.parent.name == "site-packages":
        return None
    return str(origin)


if __name__ == "__main__":
    main()
