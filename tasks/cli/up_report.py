"""What `queuectl up` shows."""

import shlex
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from queue_store.database_manager import DatabaseManager
from queue_store.readings.fleet import read_fleet
from queue_store.readings.flow_counts import add_up, read_flow_counts
from queue_store.readings.windows import add_up as add_up_windows, read_window
from queue_store.settings import load_processor_settings
from tasks.embedded.flower_login import shown_login
from tasks.embedded.sample import Sample
from tasks.embedded.servers import EmbeddedServers

FINISHED = ("completed", "failed", "cancelled")
STATUSES = ("pending", "processing", *FINISHED)
LINE_PERIOD_SECONDS = 1.0
WINDOW_SECONDS = 3600.0


class UpReport:
    """Plain lines where the output is no terminal; a progress bar where it is one."""

    def __init__(self, directory: Path, *, is_elsewhere: bool) -> None:
        self._directory = directory
        self._is_elsewhere = is_elsewhere
        self._console = Console(highlight=False, soft_wrap=True)
        self._began = time.monotonic()

    def servers_ready(self, servers: EmbeddedServers) -> None:
        postgres = "embedded, reached through a socket" if servers.postgres else "the one of DATABASE_URL"
        redis = "embedded, on 127.0.0.1" if servers.redis else "the one of CELERY_BROKER_URL"
        self._line("Postgres", postgres)
        self._line("Redis", redis)
        why = (
            " (the servers' user cannot enter the directory that was asked for)" if self._is_elsewhere else ""
        )
        self._line("Data", f"{self._directory}{why}")

    def migrated(self, version: str) -> None:
        self._line("Schema", f"version {version}")

    def fleet_ready(self) -> None:
        self._line("Fleet", "a worker for flows, one for control, and beat are up")

    def event(self, text: str) -> None:
        self._line("Note", text)

    @contextmanager
    def progress(self, total: int) -> Generator[Callable[[Mapping[str, int]], None]]:
        self._console.print(f"\nProcessing the sample survey: {total} records")
        if self._console.is_terminal:
            with self._bar() as bar:
                bar_task = bar.add_task("records", total=total)
                yield lambda counts: bar.update(bar_task, completed=_finished(counts))
        else:
            yield self._lines(total)

    def sample_ended(self, sample: Sample, completed_per_second: float) -> None:
        self._console.print(
            f"{sample.finished_count} of {sample.size} records ended in {sample.seconds:.1f} s, retries included. "
            f"Completed: {completed_per_second:.0f} a second. "
            f"Failed, and wrong on purpose: {sample.failed_on_purpose_count}."
        )
        if not sample.surprises:
            self._console.print("Every record reached its expected end.")
        for surprise in sample.surprises[:10]:
            self._console.print(f"  not as expected: {surprise}", style="red")

    def summary(self, database: DatabaseManager, flower_url: str) -> None:
        self._console.print(_status_table(database))
        self._console.print(_health(database), markup=False)
        self._line("Flower", f"{flower_url}queue")
        self._line("Log in", shown_login(self._directory, self._console.is_terminal))
        self._line("Logs", str(self._directory / "logs"))

    def what_next(self, servers: EmbeddedServers) -> None:
        activate = Path(".venv/bin/activate")
        self._console.print("\nWhat to try next, in another terminal:")
        for file in (activate, servers.environment_file):
            if file.exists():
                self._console.print(f"  . {shlex.quote(str(file))}", markup=False)
        for command in ("queuectl status", "queuectl failures", f'{_psql(servers)} "$DATABASE_URL"'):
            self._console.print(f"  {command}", markup=False)
        self._console.print("\nRunning. Ctrl-C stops everything.")

    def stopping(self) -> None:
        self._console.print("Stopping …")

    def stopped(self) -> None:
        self._console.print("Everything has stopped.")

    def _line(self, name: str, text: str) -> None:
        self._console.print(f"{time.monotonic() - self._began:6.1f} s  {name:<9} {text}", markup=False)

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self._console)

    def _lines(self, total: int) -> Callable[[Mapping[str, int]], None]:
        shown_at = 0.0

        def show(counts: Mapping[str, int]) -> None:
            nonlocal shown_at
            finished = _finished(counts)
            if time.monotonic() - shown_at >= LINE_PERIOD_SECONDS or finished == total:
                shown_at = time.monotonic()
                self._line("Progress", f"{finished} of {total} records ended")

        return show


def _status_table(database: DatabaseManager) -> Table:
    with database.transaction() as cursor:
        counts = add_up(read_flow_counts(cursor))
    table = Table("status", "records", title="processing_queue", title_justify="left")
    for status in STATUSES:
        table.add_row(status, str(getattr(counts, status)))
    return table


def _psql(servers: EmbeddedServers) -> str:
    """The one on PATH, or the one that came with the embedded server."""
    if servers.postgres is None or shutil.which("psql"):
        return "psql"
    return shlex.quote(str(servers.postgres.programs / "psql"))


def _health(database: DatabaseManager) -> str:
    with database.transaction() as cursor:
        waiting = add_up(read_flow_counts(cursor)).due
        window = add_up_windows(read_window(cursor, WINDOW_SECONDS).values(), WINDOW_SECONDS)
        fleet = read_fleet(cursor, load_processor_settings())
    slowest = window.processing_percentile(0.95) or 0.0
    return (
        f"Queue health: {waiting} waiting, {len(fleet.alive)} worker processes alive, "
        f"success rate of the last hour {window.success_rate_percent} %, "
        f"95 % of the records took at most {1000 * slowest:.1f} ms."
    )


def _finished(counts: Mapping[str, int]) -> int:
    return sum(counts.get(status, 0) for status in FINISHED)
