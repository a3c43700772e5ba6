from typing import Any

import click

from .frame import (
    YEAR_HOURS,
    BoundedNumber,
    Progress,
    actor_option,
    confirm,
    json_option,
    opened_database,
    say,
    write_json,
    write_table,
    yes_option,
)

HISTORY_RUNS = 30
HEADINGS = ("id", "operation", "state", "dry run", "actor", "started", "affected", "error")
ORPHANED_TIMEOUT = BoundedNumber(0, YEAR_HOURS, min_open=True)


@click.command()
@click.option("--cleanup-orphaned-records", is_flag=True, help="Give back records whose owner is gone.")
@click.option("--orphaned-timeout-hours", type=ORPHANED_TIMEOUT, help="Default: CLEANUP_TIMEOUT_HOURS.")
@click.option(
    "--reset-failed-records",
    is_flag=True,
    help="Make failed records pending again, if they have attempts left.",
)
@click.option(
    "--max-retries",
    type=click.IntRange(1, 2**31 - 1),
    default=3,
    show_default=True,
    help="Reset only records with fewer failed attempts than this.",
)
@click.option("--purge-old-records", is_flag=True, help="Delete what is older than its retention.")
@click.option(
    "--dry-run/--no-dry-run", default=True, show_default=True, help="Say what would be done, or do it."
)
@click.option("--history", is_flag=True, help="Show the last maintenance runs, including the scheduled ones.")
@yes_option
@actor_option
@json_option
def maintenance(history: bool, yes: bool, as_json: bool, **choice: Any) -> None:
    """Run maintenance by hand. Without --no-dry-run, the command only says what it would do.

    The chosen operations run in this order: clean-up, reset, purge. A dry run does not count a record as purged that
    it counts as reset.
    """
    from ..monitoring import distributed_system_maintenance

    if history:
        _show_history(as_json)
        return
    if not choice["dry_run"]:
        confirm("Do it?", yes)
    try:
        results = distributed_system_maintenance(**choice, on_progress=Progress())
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        write_json(results)
    else:
        _report(results, "would be " if choice["dry_run"] else "")


def _report(results: dict[str, Any], would: str) -> None:
    if "cleanup_results" in results:
        say(f"{results['cleanup_results']['records_cleaned']} orphaned records {would}given back.")
    if "reset_results" in results:
        say(f"{results['reset_results']['records_reset']} failed records {would}reset.")
    purged = results.get("retention_results", {})
    for kind, count in purged.get("records_purged", {}).items():
        say(f"{count} {kind} records {would}purged.")
    for kind, count in purged.get("history_purged", {}).items():
        if count:
            say(f"{count} rows of {kind.replace('_', ' ')} {would}purged.")


def _show_history(as_json: bool) -> None:
    from queue_store.readings.maintenance_runs import read_maintenance_runs

    with opened_database("maintenance") as database, database.transaction() as cursor:
        rows = read_maintenance_runs(cursor, HISTORY_RUNS)
    if as_json:
        write_json([dict(zip(HEADINGS, row, strict=True)) for row in rows])
    else:
        write_table(HEADINGS, rows)
