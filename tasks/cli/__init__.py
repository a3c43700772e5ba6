"""`queuectl`. Each command has a module of its own, which is imported only when somebody calls the command.

Exit codes: 0 done, 1 the command failed or found a problem, 3 the database cannot be used, 64 wrong usage, 130
interrupted. `check`, `doctor`, `drain` and `up` explain their own exit codes.
"""

import ast
import logging
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.resources import files
from keyword import iskeyword
from typing import Any

import click

from queue_store.suggestions import closest, did_you_mean

from .errors import UserInterruptError, errors_said, follows_ctrl_c
from .frame import say

COMMANDS = (
    "alerts",
    "backup",
    "cancel",
    "capacity",
    "check",
    "doctor",
    "drain",
    "end",
    "enqueue",
    "explain",
    "failures",
    "follow",
    "grant-roles",
    "import",
    "maintenance",
    "metrics-server",
    "migrate",
    "move",
    "new-flow",
    "pause",
    "recover",
    "register",
    "repair",
    "report",
    "reset",
    "restore",
    "resume",
    "schedule",
    "schema",
    "show",
    "status",
    "stop",
    "tail",
    "top",
    "tune",
    "up",
    "validate",
)
OLD_COMMANDS = {"watch": "follow"}  # the next version removes them


class CommandGroup(click.Group):
    """Finds a command by its name, runs it, and ends the process with an exit code."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **named: Any) -> Any:
        arguments = sys.argv[1:] if args is None else list(args)
        with errors_said(arguments):
            exit_code = super().main(arguments, *others, **named | {"standalone_mode": False})
        sys.exit(exit_code if isinstance(exit_code, int) else 0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in OLD_COMMANDS:
            say(f"`queuectl {cmd_name}` is called `queuectl {OLD_COMMANDS[cmd_name]}`.", err=True)
            cmd_name = OLD_COMMANDS[cmd_name]
        if cmd_name not in COMMANDS:
            return None
        name = _function_name(cmd_name)
        return getattr(import_module(f".{name}", __name__), name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = did_you_mean(closest(args[0], COMMANDS))
            if not meant:
                raise
            raise click.UsageError(error.message.removesuffix(".") + meant, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands as click's own method does, but reads their help from the sources. Importing all
        commands would take a second."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_sentence(name)) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        # If Ctrl-C interrupts a statement, psycopg logs a rollback. Without a logging handler, Python would print
        # this log line in addition to our message.
        logging.getLogger("psycopg").addHandler(logging.NullHandler())
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            if not follows_ctrl_c(error):
                raise
            raise UserInterruptError from None


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="processing-queue")
def main() -> None:
    """Observe and control the processing queue. DATABASE_URL names the database."""


def _first_sentence(command: str) -> str:
    wanted = _function_name(command)
    tree = ast.parse(files(__name__).joinpath(f"{wanted}.py").read_text())
    function = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == wanted)
    return " ".join((ast.get_docstring(function) or "").split()).partition(". ")[0].rstrip(".")


def _function_name(command: str) -> str:
    """The name of the command's function and module. The name for `import` is `import_`, because `import` is a keyword
    of Python."""
    name = command.replace("-", "_")
    return f"{name}_" if iskeyword(name) else name
