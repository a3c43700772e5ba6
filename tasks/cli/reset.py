from typing import TYPE_CHECKING

import click

from queue_store.plural import plural

from .frame import actor_option, confirm, dry_run_option, json_option, processor, yes_option
from .many_records import end_if_left, report

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager

SKIPPED = "they are not failed, or because another record has their dedup_key"


@click.command()
@click.argument("record_ids", nargs=-1, type=click.IntRange(1, 2**63 - 1), metavar="[ID]...")
@click.option("--flow", "flow_name", help="Reset all failed records of this flow.")
@click.option("--error", help="Reset only records whose error message contains this text.")
@click.option("--all", "everything", is_flag=True, help="Reset all failed records of all flows.")
@dry_run_option
@yes_option
@actor_option
@json_option
def reset(
    record_ids: tuple[int, ...],
    flow_name: str | None,
    error: str | None,
    everything: bool,
    dry_run: bool,
    yes: bool,
    actor: str,
    as_json: bool,
) -> None:
    """Make failed records pending again, and due at once.

    The attempts so far still count: a record that has used up its attempts gets exactly one more.
    """
    if bool(record_ids) == bool(flow_name or error or everything):
        raise click.UsageError("Name records by their ids, or choose them by --flow, --error or --all.")
    with processor("reset") as queue:
        if flow_name:
            queue.check_flow(flow_name)
        ids = sorted(set(record_ids)) or queue.find_failed(flow_name, error=error)
        if dry_run:
            _say_what_would_be_reset(queue.database, ids, as_json, are_named=bool(record_ids))
            return
        if ids and not record_ids:
            confirm(f"Reset {plural(len(ids), 'failed record')}?", yes)
        done = queue.reset(ids, actor=actor)
    text = f"{plural(len(done.reset_ids))} reset."
    if done.skipped_ids:
        text += f" Skipped, because {SKIPPED}: {', '.join(map(str, done.skipped_ids[:20]))}"
    report(as_json, text, {"is_dry_run": False, "reset_ids": done.reset_ids, "skipped_ids": done.skipped_ids})
    end_if_left(named_were_skipped=bool(record_ids and done.skipped_ids), found_ids=ids)


def _say_what_would_be_reset(
    database: "DatabaseManager", ids: list[int], as_json: bool, *, are_named: bool
) -> None:
    from queue_store.operators.dry_run import would_reset

    with database.transaction() as cursor:
        would = would_reset(cursor, ids)
    text = f"{plural(would.changed_count)} would be reset."
    if would.skipped_count:
        text += f" {plural(would.skipped_count)} would be skipped, because {SKIPPED}."
    counts: dict[str, object] = {"reset_count": would.changed_count, "skipped_count": would.skipped_count}
    report(as_json, text, {"is_dry_run": True, "found_ids": ids, **counts})
    end_if_left(named_were_skipped=are_named and would.skipped_count > 0, found_ids=ids)
