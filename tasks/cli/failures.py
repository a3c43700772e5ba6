from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from .frame import HOURS, check_flow, json_option, migrated_database, say, write_json, write_table

Table = tuple[tuple[str, ...], Sequence[tuple[object, ...]]]


@click.command()
@click.option(
    "--hours",
    default=24.0,
    show_default=True,
    type=HOURS,
    help="How many hours to look back.",
)
@click.option("--flow", "flow_name", help="Only this flow.")
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Show at most this many rows.",
)
@click.option(
    "--records", "by_record", is_flag=True, help="Show failed records one by one, instead of kinds of errors."
)
@json_option
def failures(hours: float, flow_name: str | None, limit: int, by_record: bool, as_json: bool) -> None:
    """Show the errors by kind, most frequent first.

    Messages that differ only in numbers and ids are one kind. The counts include attempts after which the record is
    retried. A separate column counts the attempts after which the record failed for good.
    """
    seconds = hours * 3600
    with migrated_database("failures") as database:
        if flow_name:
            check_flow(database, flow_name)
        with database.transaction() as cursor:
            found, table = (_records if by_record else _kinds)(cursor, seconds, flow_name, limit)
    if as_json:
        write_json([asdict(one) for one in found])
    elif not found:
        say(f"No errors in the last {hours:g} hours.")
    else:
        write_table(*table)
        if not by_record:
            say(_since(found[0].counted_since, hours))


def _since(counted_since: datetime, hours: float) -> str:
    if hours < 1:
        return f"The newest attempts are counted, since {counted_since:%Y-%m-%d %H:%M %Z}."
    return f"All attempts are counted, by whole hours, since {counted_since:%Y-%m-%d %H:%M %Z}."


def _records(cursor: Any, seconds: float, flow_name: str | None, limit: int) -> tuple[list[Any], Table]:
    from queue_store.readings.failed_records import read_failed_records

    found = read_failed_records(cursor, seconds, flow_name, limit)
    rows = [(r.id, r.flow_name, r.retry_count, r.crash_strikes, r.failed_at, r.text) for r in found]
    return found, (("id", "flow", "attempts", "crashes", "failed at", "error"), rows)


def _kinds(cursor: Any, seconds: float, flow_name: str | None, limit: int) -> tuple[list[Any], Table]:
    from queue_store.readings.top_errors import read_top_errors

    found = read_top_errors(cursor, seconds, limit, flow_name)
    rows = [
        (g.error_count, g.failed_count, g.record_count, ", ".join(g.flow_names), g.last_at, g.text)
        for g in found
    ]
    return found, (("attempts", "failed", "records", "flows", "last", "error"), rows)
