from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural

from .frame import (
    actor_option,
    confirm,
    dry_run_option,
    json_option,
    processor,
    say,
    write_json,
    yes_option,
)

if TYPE_CHECKING:
    from queue_store.operators.dry_run import WouldMove


@click.command()
@click.argument("from_name", metavar="NAME")
@click.argument("flow_name", metavar="FLOW")
@dry_run_option
@yes_option
@actor_option
@json_option
def move(from_name: str, flow_name: str, dry_run: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Move pending and failed records, with their attempts and counts, from NAME to FLOW. NAME must not be a flow.

    Use this for records that somebody enqueued by SQL under a mistyped name. Exits with 1 if some records
    are not moved because unfinished records of FLOW have the same dedup_key.
    """
    from queue_store.operators.dry_run import would_move
    from queue_store.operators.unknown_flows import check_movable

    with processor("move") as queue:
        with queue.database.transaction() as cursor:
            check_movable(cursor, from_name, flow_name)
            would = would_move(cursor, from_name, flow_name)
        what = f"{would.pending} pending and {plural(would.failed, 'failed record')} of {from_name}"
        if dry_run:
            _say_what_would_be_moved(would, what, flow_name, as_json)
            return
        confirm(f"Move {what} to {flow_name}?", yes)
        done = queue.move(from_name, flow_name, actor=actor)
    if as_json:
        write_json({"is_dry_run": False, **asdict(done)})
    else:
        say(
            f"Moved to {flow_name}: {plural(len(done.pending_ids), 'pending record')} "
            f"and {len(done.failed_ids)} failed."
        )
        if done.skipped_ids:
            skipped = ", ".join(map(str, done.skipped_ids[:20]))
            say(f"Not moved, because unfinished records of {flow_name} have the same dedup_key: {skipped}")
    if done.skipped_ids:
        raise SystemExit(1)


def _say_what_would_be_moved(would: "WouldMove", what: str, flow_name: str, as_json: bool) -> None:
    if as_json:
        write_json({"is_dry_run": True, **asdict(would)})
    else:
        say(f"{what} would be moved to {flow_name}.")
        if would.skipped:
            say(
                f"{plural(would.skipped)} would stay, because unfinished records of {flow_name} have the same "
                "dedup_key."
            )
    if would.skipped:
        raise SystemExit(1)
