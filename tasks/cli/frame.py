"""Shared code of the commands: options, the connection to the database, and output that cannot harm a terminal."""

import dataclasses
import getpass
import json
import math
import os
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import click

from queue_store.plural import plural
from queue_store.redaction import redact

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager
    from queue_store.distributed_processor import DistributedProcessor

    from ..authoring.flow import Flow

Command = TypeVar("Command", bound=Callable[..., Any])
CELL_LENGTH = 200
PROGRESS_SECONDS = 2.0


class BoundedNumber(click.FloatRange):
    """A number with a lower and an upper limit. A number above the upper limit could overflow an interval in the
    database, or a timer in this process. NaN is refused."""

    def __init__(self, lowest: float, highest: float, *, min_open: bool = False) -> None:
        super().__init__(lowest, highest, min_open=min_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", param, ctx)
        return number


YEAR_HOURS = 24 * 365
HOURS = BoundedNumber(0, 10 * YEAR_HOURS, min_open=True)

json_option = click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")


def _default_actor() -> str:
    try:
        return os.environ.get("QUEUECTL_ACTOR") or getpass.getuser()
    except (KeyError, OSError):  # in a container, the user may have no name
        return f"uid {os.getuid()}"


actor_option = click.option(
    "--actor",
    default=_default_actor,
    show_default="QUEUECTL_ACTOR or the login name",
    help="The name to write into the audit log.",
)
reason_option = click.option("--reason", help="The reason, shown to everybody who looks at the queue later.")


@contextmanager
def opened_database(command: str) -> Generator["DatabaseManager"]:
    from queue_store.database.manager import DatabaseManager

    database = DatabaseManager(application_name=f"queuectl {command}")
    try:
        with database.hold():  # raises a clear error now if the database cannot be reached
            pass
        yield database
    finally:
        database.dispose()


@contextmanager
def migrated_database(command: str) -> Generator["DatabaseManager"]:
    """A database with the right schema version. Commands that need no DistributedProcessor use this function, because
    it imports less than `processor`. Raises SettingsError."""
    from queue_store.database import schema
    from queue_store.settings import load_processor_settings

    load_processor_settings()
    with opened_database(command) as database:
        schema.check_version(database)
        yield database


@contextmanager
def processor(command: str) -> Generator["DistributedProcessor"]:
    """Yields a DistributedProcessor on a database with the right schema version. Long operations report their
    progress."""
    from queue_store.distributed_processor import DistributedProcessor

    with migrated_database(command) as database:
        queue = DistributedProcessor(database, hint_sender=LateHintSender())
        queue.on_progress = partial(Progress(), command)
        yield queue


class Progress:
    """Reports progress on stderr, at most once every PROGRESS_SECONDS. A command that ends within PROGRESS_SECONDS
    reports nothing."""

    def __init__(self) -> None:
        self._said_at: float | None = None

    def __call__(self, operation: str, affected_count: int) -> None:
        now = time.monotonic()
        if self._said_at is None:  # before its first chunk, the command may have waited for the user's answer
            self._said_at = now
        if affected_count and now - self._said_at >= PROGRESS_SECONDS:
            self._said_at = now
            say(f"{operation}: {plural(affected_count, 'row')} so far …", err=True)


def check_flow(database: "DatabaseManager", flow_name: str) -> None:
    """Raises UnknownFlowError, which suggests a similar name, if the flow is not registered."""
    from queue_store.operators.operators import Operators

    Operators(database).check_flow(flow_name)


class LateHintSender:
    """A hint sender that imports Celery only when there is a hint to send, because most commands send none."""

    def send(self, flow_name: str, celery_queue: str, slot: int = 0) -> bool:
        from queue_store.enqueueing.hints import CeleryHintSender

        from ..app import app

        return CeleryHintSender(app).send(flow_name, celery_queue, slot)


def loaded_flows() -> dict[str, "Flow"]:
    from queue_store.settings import load_processor_settings

    from ..authoring.registry import load_flows

    return load_flows(load_processor_settings())


def confirm(question: str, yes: bool) -> None:
    """Ask for confirmation. Without a terminal nobody can answer, so --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        options = [name for option in click.get_current_context().command.params for name in option.opts]
        look_first = " (or look first with --dry-run)" if "--dry-run" in options else ""
        raise click.UsageError(f"{question} Without a terminal, pass --yes{look_first}.")
    click.confirm(question, abort=True, err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print one or more lines. Control characters are left out, so that they cannot move the cursor or set
    colours."""
    click.echo(redact(text), err=err)


def write_json(value: object) -> None:
    """Writes one JSON document. The terminal needs no further protection, because JSON escapes control
    characters."""
    click.echo(json.dumps(value, default=_as_json, indent=2))


def write_json_line(value: object) -> None:
    click.echo(json.dumps(value, default=_as_json))


def write_table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Aligns the columns if stdout is a terminal. Otherwise separates the columns by tabs, so that programs can read
    them."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        for row in [list(headings), *cells]:
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings)
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = redact(str(value), CELL_LENGTH)
    return " ".join(text.split()) or "-"


def _as_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
