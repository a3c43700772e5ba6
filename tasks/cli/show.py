from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .frame import json_option, processor, say, write_json, write_table

if TYPE_CHECKING:
    from queue_store.readings.record_details import Attempt

LAST_COLUMNS = ("payload", "result")


@click.command()
@click.argument("record_id", type=click.IntRange(1, 2**63 - 1))
@click.option("--tracebacks", is_flag=True, help="Also show the traceback of every failed attempt.")
@json_option
def show(record_id: int, tracebacks: bool, as_json: bool) -> None:
    """Show everything about one record."""
    from queue_store.explain import explain_record
    from queue_store.readings.record_details import read_record_details

    with processor("show") as queue, queue.database.transaction() as cursor:
        details = read_record_details(cursor, record_id)
        reasons = explain_record(cursor, queue.settings, record_id).reasons
    if as_json:
        write_json(asdict(details) | {"reasons": [asdict(reason) for reason in reasons]})
        return
    _show_columns({k: v for k, v in details.record.items() if k not in LAST_COLUMNS})
    for name in LAST_COLUMNS:
        if details.record[name] is not None:
            _show_columns({name: details.record[name]})
    for title, part in (
        ("run", details.run),
        ("progress", details.progress),
        ("cancel request", details.cancel_request),
    ):
        if part is not None:
            say(f"\n{title}")
            _show_columns(part)
    if details.attempts:
        _show_attempts(record_id, details.attempts[::-1], tracebacks)


def _show_attempts(record_id: int, oldest_first: "list[Attempt]", tracebacks: bool) -> None:
    say("\nattempts that did not succeed")
    rows = [(_number(a), a.outcome, a.finished_at, a.exception_type, a.error_message) for a in oldest_first]
    write_table(("attempt", "outcome", "finished", "type", "error"), rows)
    for attempt in oldest_first if tracebacks else []:
        say(f"\nattempt {_number(attempt)}\n{attempt.traceback or 'no traceback'}")
    if not tracebacks and any(attempt.traceback for attempt in oldest_first):
        say(f"`queuectl show {record_id} --tracebacks` shows where the errors were raised.")


def _number(attempt: "Attempt") -> object:
    """The attempt's number. A crash has no number, because it is charged as a crash strike and not as an attempt."""
    return "-" if attempt.outcome == "crashed" else attempt.attempt_number


def _show_columns(columns: dict[str, Any]) -> None:
    width = max(len(name) for name in columns)
    for name, value in columns.items():
        if value is not None:
            say(f"{name:<{width}}  {value}")
