from dataclasses import asdict

import click

from queue_store.plural import plural

from .frame import (
    actor_option,
    confirm,
    dry_run_option,
    json_option,
    processor,
    reason_option,
    say,
    write_json,
    yes_option,
)


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
    with processor("cancel") as queue:
        if flow_name:
            queue.check_flow_or_records(flow_name)
        ids = list(record_ids) or queue.find_unfinished(flow_name or "", include_running=not pending_only)
        if dry_run:
            _report(
                as_json, f"{plural(len(ids))} would be cancelled.", {"is_dry_run": True, "found_ids": ids}
            )
            return
        if ids and not record_ids:
            confirm(f"Cancel {plural(len(ids))} of {flow_name}?", yes)
        done = queue.cancel(ids, actor=actor, reason=reason)
    text = f"{plural(len(done.cancelled_ids))} cancelled."
    if done.asked_ids:
        text += f" {plural(len(done.asked_ids), 'running record')} asked to stop: each stops when its handler checks "
        text += "for the request, or returns. `queuectl end ID` ends a handler that hangs."
    if done.skipped_ids:
        text += f" Skipped as finished or unknown: {', '.join(map(str, done.skipped_ids[:20]))}"
    _report(as_json, text, {"is_dry_run": False, **asdict(done)})
    if record_ids and done.skipped_ids:
        raise SystemExit(1)


def _report(as_json: bool, text: str, document: dict[str, object]) -> None:
    if as_json:
        write_json(document)
    else:
        say(text)
