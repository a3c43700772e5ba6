from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural

from .frame import actor_option, confirm, dry_run_option, json_option, processor, reason_option, yes_option
from .many_records import end_if_left, report

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager


@click.command()
@click.argument("record_ids", nargs=-1, type=click.IntRange(1, 2**63 - 1), metavar="[ID]...")
@click.option("--flow", "flow_name", help="Cancel all unfinished records of this flow.")
@click.option("--pending-only", is_flag=True, help="With --flow: do not ask processing records to stop.")
@reason_option
@dry_run_option
@yes_option
@actor_option
@json_option
def cancel(
    record_ids: tuple[int, ...],
    flow_name: str | None,
    pending_only: bool,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    actor: str,
    as_json: bool,
) -> None:
    """Cancel pending records, and ask processing records to stop."""
    if bool(record_ids) == bool(flow_name):
        raise click.UsageError("Name records by their ids, or a flow by --flow.")
    if pending_only and not flow_name:
        raise click.UsageError("--pending-only needs --flow.")
    with processor("cancel") as queue:
        if flow_name:
            queue.check_flow_or_records(flow_name)
        ids = sorted(set(record_ids)) or queue.find_unfinished(
            flow_name or "", include_running=not pending_only
        )
        if dry_run:
            _say_what_would_be_cancelled(
                queue.database, ids, as_json, are_named=bool(record_ids), pending_only=pending_only
            )
            return
        if ids and not record_ids:
            confirm(f"Cancel {plural(len(ids))} of {flow_name}?", yes)
        done = queue.cancel(ids, actor=actor, reason=reason, pending_only=pending_only)
    text = f"{plural(len(done.cancelled_ids))} cancelled."
    if done.asked_ids:
        text += f" {plural(len(done.asked_ids), 'running record')} asked to stop: each stops when its handler checks "
        text += "for the request, or returns. `queuectl end ID` ends a handler that hangs."
    if done.skipped_ids:
        text += f" Skipped as {_skipped(pending_only)}: {', '.join(map(str, done.skipped_ids[:20]))}"
    report(as_json, text, {"is_dry_run": False, **asdict(done)})
    end_if_left(named_were_skipped=bool(record_ids and done.skipped_ids), found_ids=ids)


def _say_what_would_be_cancelled(
    database: "DatabaseManager", ids: list[int], as_json: bool, *, are_named: bool, pending_only: bool
) -> None:
    from queue_store.operators.dry_run import would_cancel

    with database.transaction() as cursor:
        would = would_cancel(cursor, ids, pending_only=pending_only)
    text = f"{plural(would.changed_count)} would be cancelled."
    if would.asked_count:
        text += f" {plural(would.asked_count, 'running record')} would be asked to stop."
    if would.skipped_count:
        text += f" {plural(would.skipped_count)} would be skipped as {_skipped(pending_only)}."
    counts: dict[str, object] = {
        "cancelled_count": would.changed_count,
        "asked_count": would.asked_count,
        "skipped_count": would.skipped_count,
    }
    report(as_json, text, {"is_dry_run": True, "found_ids": ids, **counts})
    end_if_left(named_were_skipped=are_named and would.skipped_count > 0, found_ids=ids)


def _skipped(pending_only: bool) -> str:
    return "locked or no longer pending" if pending_only else "finished or unknown"
