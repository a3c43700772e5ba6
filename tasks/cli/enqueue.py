from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, BinaryIO

import click

from queue_store.enqueueing.payload_encoders import encoder_of
from queue_store.plural import plural, word

from .frame import YEAR_HOURS, BoundedNumber, json_option, processor, say, write_json
from .payload_check import payload_check
from .record_file import InvalidLinesError, RecordFile

SHOWN_LINES = 10


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--flow", "flow_name", required=True, help="The flow that processes the records.")
@click.option(
    "--format", "file_format", type=click.Choice(["csv", "jsonl"]), help="By default the file's name decides."
)
@click.option(
    "--delimiter", default=",", show_default=True, help="The character between the fields of a CSV line."
)
@click.option(
    "--numbers",
    is_flag=True,
    help="CSV: convert numeric fields to numbers, and empty fields to null.",
)
@click.option("--skip-invalid", is_flag=True, help="Skip invalid lines, and report them.")
@click.option("--dedup-by", metavar="FIELD", help="The field whose value becomes the dedup_key.")
@click.option(
    "--on-duplicate",
    type=click.Choice(["raise", "skip", "replace"]),
    default="raise",
    show_default=True,
    help="What to do when an unfinished record has the same dedup_key.",
)
@click.option("--priority", type=click.IntRange(0, 9), help="Smaller first. 5 by default.")
@click.option(
    "--delay-seconds",
    type=BoundedNumber(0, 10 * YEAR_HOURS * 3600),
    default=0.0,
    help="The number of seconds after which the records are due.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Read and check the file, count its duplicates, and enqueue nothing. Exits with the code of the call itself.",
)
@json_option
def enqueue(
    file: BinaryIO,
    flow_name: str,
    file_format: str | None,
    delimiter: str,
    numbers: bool,
    skip_invalid: bool,
    dedup_by: str | None,
    on_duplicate: Any,
    priority: int | None,
    delay_seconds: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Enqueue each line of a CSV or JSONL file (- is standard input).

    A CSV file needs a header, whose names become the payload's keys. Without --skip-invalid, either all lines are
    enqueued or none. An invalid CSV record with quotes cannot be skipped, because its end is unknown.

    A line that does not fit the type of the flow's payload is refused. The error message names the path of the wrong
    value in the payload. If FLOW_MODULES names the flow's module, the type itself checks the line. Otherwise the schema
    that is stored in the database checks the line, and no value is converted.
    """
    if len(delimiter) != 1:
        raise click.UsageError("--delimiter must be one character.")
    lines = RecordFile(file, _format(file, file_format), delimiter, numbers, dedup_by, priority, skip_invalid)
    with processor("enqueue") as queue, _progress(lines) as rows:
        queue.check_flow(flow_name)
        lines.check = payload_check(queue.database, flow_name)
        lines.encode = encoder_of(flow_name)
        try:
            if dry_run:
                counts = _would_enqueue(queue, flow_name, rows, on_duplicate)
            else:
                delay = timedelta(seconds=delay_seconds)
                counts = _enqueue(queue, flow_name, _due(rows, delay), on_duplicate)
        except InvalidLinesError:
            _refuse(lines, as_json)
            raise SystemExit(1) from None
    _report(lines, flow_name, counts, as_json=as_json, dry_run=dry_run)


def _refuse(lines: RecordFile, as_json: bool) -> None:
    skipping = "" if lines.skip_invalid or lines.is_torn else ", or pass --skip-invalid"
    advice = f"Nothing was enqueued. Correct the lines{skipping}."
    if as_json:
        write_json({"error": advice, "exit_code": 1, "problems": _problems(lines)})
    _report_problems(lines)
    say(advice, err=True)


def _enqueue(queue: Any, flow_name: str, rows: Iterable[object], on_duplicate: Any) -> dict[str, int]:
    done = queue.enqueue_many(flow_name, rows, on_duplicate=on_duplicate)
    return {
        "enqueued": done.inserted_count,
        "duplicates": len(done.duplicate_positions),
        "running_duplicates": len(done.running_positions),
    }


def _would_enqueue(queue: Any, flow_name: str, rows: Iterable[Any], on_duplicate: Any) -> dict[str, int]:
    from queue_store.enqueueing.dry_run import would_enqueue

    would = would_enqueue(queue.database, flow_name, rows, on_duplicate)
    return {
        "enqueued": 0,
        "valid": would.record_count,
        "duplicates": would.duplicate_count,
        "running_duplicates": would.running_count,
    }


def _due(rows: Iterable[Any], delay: timedelta) -> Iterator[Any]:
    from dataclasses import replace

    for row in rows:
        yield replace(row, scheduled_at=delay) if delay else row


@contextmanager
def _progress(lines: RecordFile) -> Generator[Iterator[Any]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.fields[lines]:,} lines"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        bar_task = bar.add_task("", total=lines.size_bytes, lines=0)

        def rows() -> Iterator[Any]:
            for count, record in enumerate(lines.records(), 1):
                if count % 500 == 0:
                    bar.update(bar_task, completed=lines.read_bytes, lines=lines.line_number)
                yield record

        yield rows()


def _report(
    lines: RecordFile, flow_name: str, counts: dict[str, int], *, as_json: bool, dry_run: bool
) -> None:
    if as_json:
        write_json(
            {
                "flow_name": flow_name,
                "is_dry_run": dry_run,
                **counts,
                "skipped_lines": lines.problem_count,
                "problems": _problems(lines),
            }
        )
        return
    _report_problems(lines)
    if dry_run:
        new_count = counts["valid"] - counts["duplicates"]
        text = f"{plural(new_count)} could be enqueued for {flow_name}." + _duplicates(counts, dry_run=True)
        say(f"{text} Nothing was enqueued.")
        return
    text = f"{plural(counts['enqueued'])} enqueued for {flow_name}." + _duplicates(counts, dry_run=False)
    if lines.problem_count:
        text += f" {plural(lines.problem_count, 'line')} skipped."
    say(text)


def _duplicates(counts: dict[str, int], *, dry_run: bool) -> str:
    text, running = "", counts["running_duplicates"]
    if counts["duplicates"]:
        text += f" {plural(counts['duplicates'], 'duplicate')}."
    if running:
        was_not = "would not be" if dry_run else word(running, "was not", "were not")
        payloads = word(running, "its payload", "their payloads")
        text += (
            f" {running} of them {word(running, 'is', 'are')} running already: {payloads} {was_not} replaced."
        )
    return text


def _problems(lines: RecordFile) -> list[dict[str, object]]:
    return [{"line": line, "problem": problem} for line, problem in lines.problems]


def _report_problems(lines: RecordFile) -> None:
    for line_number, problem in lines.problems[:SHOWN_LINES]:
        say(f"line {line_number}: {problem}", err=True)
    if lines.problem_count > SHOWN_LINES:
        say(f"… and {plural(lines.problem_count - SHOWN_LINES, 'more line')}", err=True)


def _format(file: BinaryIO, file_format: str | None) -> str:
    if file_format:
        return file_format
    suffix = str(getattr(file, "name", "")).lower().rpartition(".")[2]
    known = {"csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl"}
    if suffix not in known:
        raise click.UsageError("Give --format csv or --format jsonl: the file's name does not say which.")
    return known[suffix]
