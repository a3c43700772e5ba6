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
        ids = list(record_ids) or queue.find_failed(flow_name, error=error)
        if dry_run:
            _report(as_json, f"{plural(len(ids))} would be reset.", {"is_dry_run": True, "found_ids": ids})
            return
        if ids and not record_ids:
            confirm(f"Reset {plural(len(ids), 'failed record')}?", yes)
        done = queue.reset(ids, actor=actor)
    text = f"{plural(len(done.reset_ids))} reset."
    if done.skipped_ids:
        shown = ", ".join(map(str, done.skipped_ids[:20]))
        text += f" Skipped, because they are not failed, or because an unfinished record has their dedup_key: {shown}"
    _report(
        as_json, text, {"is_dry_run": False, "reset_ids": done.reset_ids, "skipped_ids": done.skipped_ids}
    )
    if record_ids and done.skipped_ids:
        raise SystemExit(1)


def _report(as_json: bool, text: str, document: dict[str, object]) -> None:
    if as_json:
        write_json(document)
    else:
        say(text)
