"""The output of `queuectl up`."""

import shlex
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from queue_store.database.versions import described
from queue_store.readings.top_errors import ErrorGroup
from queue_store.redaction import redact

from ..embedded.flower_login import shown_login
from ..embedded.servers import EmbeddedServers
from .frame import write_json
from .up_summary import Health, SampleResult, Summary

FINISHED = ("completed", "failed", "cancelled")
LINE_PERIOD_SECONDS = 1.0
MESSAGE_LENGTH = 160


class UpReport:
    """Writes lines of text. If the output is a terminal, shows the progress of the sample as a bar. With `as_json`,
    this output goes to stderr, and the summary goes to stdout as a JSON document."""

    def __init__(self, directory: Path, *, is_elsewhere: bool, as_json: bool = False) -> None:
        self._as_json = as_json
        self._directory = directory
        self._is_elsewhere = is_elsewhere
        self._console = Console(highlight=False, soft_wrap=True, stderr=as_json)
        self.began = time.monotonic()

    def servers_ready(self, servers: EmbeddedServers) -> None:
        postgres = (
            "embedded, reached through a socket" if servers.postgres else "the server that DATABASE_URL names"
        )
        redis = "embedded, on 127.0.0.1" if servers.redis else "the server that CELERY_BROKER_URL names"
        self._line("Postgres", postgres)
        self._line("Redis", redis)
        why = (
            " (the servers' user cannot enter the directory that was asked for)" if self._is_elsewhere else ""
        )
        self._line("Data", f"{self._directory}{why}")

    def migrated(self, version: str | None) -> None:
        self._line("Schema", f"version {described(version)}")

    def fleet_ready(self) -> None:
        self._line("Fleet", "a worker for flows, one for control, and beat are running")

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

    def no_sample(self, why: str) -> None:
        self._line("Sample", f"not enqueued: {why}")

    def sample_ended(self, sample: SampleResult) -> None:
        self._console.print(
            f"{sample.ended_count} of {sample.record_count} records ended in {sample.seconds:.1f} s, "
            f"including the waits before retries. Without these waits: {sample.completed_per_second:.0f} completed a "
            f"second. Records that failed because they are wrong on purpose: {sample.failed_on_purpose_count}."
        )
        if not sample.surprises:
            self._console.print("Every record reached its expected end.")
        for surprise in sample.surprises[:10]:
            self._console.print(f"  not as expected: {surprise}", style="red")

    def summary(self, summary: Summary) -> None:
        self._console.print(_status_table(summary.counts))
        if summary.errors:
            self._console.print(_error_table(summary.errors))
        self._console.print(_health(summary.health), markup=False)
        self._line("Flower", summary.queue_page)
        self._line("Log in", shown_login(self._directory, self._console.is_terminal))
        self._line("Logs", summary.logs)
        if self._as_json:
            write_json(summary)

    def what_next(self, servers: EmbeddedServers) -> None:
        activate = Path(".venv/bin/activate").absolute()
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
        self._console.print(f"{time.monotonic() - self.began:6.1f} s  {name:<9} {text}", markup=False)

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


def _status_table(counts: Mapping[str, int]) -> Table:
    table = Table("status", "records", title="processing_queue", title_justify="left")
    for status, count in counts.items():
        table.add_row(status, str(count))
    return table


def _error_table(errors: Sequence[ErrorGroup]) -> Table:
    """Shows error messages as plain text, because Rich would interpret their square brackets as markup."""
    table = Table("attempts", "failed", "error", title="errors since the start", title_justify="left")
    for group in errors:
        message = Text(redact(group.text, MESSAGE_LENGTH).replace("\n", " "))
        table.add_row(str(group.error_count), str(group.failed_count), message)
    return table


def _psql(servers: EmbeddedServers) -> str:
    """The command for psql: the psql on PATH, or the psql that came with the embedded server."""
    if servers.postgres is None or shutil.which("psql"):
        return "psql"
    return shlex.quote(str(servers.postgres.programs / "psql"))


def _health(health: Health) -> str:
    rate, slow = health.success_rate_percent, health.processing_seconds_95_percent
    of_the_hour = (
        "fewer than 20 records completed or failed in the last hour"
        if rate is None
        else f"success rate of the last hour {rate} %"
    )
    longest = "" if slow is None else f"; 95 % of the records took at most {1000 * slow:.1f} ms"
    return (
        f"Queue health: {health.waiting_count} waiting, {health.worker_processes_alive} worker processes alive, "
        f"{of_the_hour}{longest}."
    )


def _finished(counts: Mapping[str, int]) -> int:
    return sum(counts.get(status, 0) for status in FINISHED)
