import click

from .frame import actor_option, confirm, json_option, processor, say, write_json, yes_option


@click.command()
@click.option(
    "--dry-run/--no-dry-run",
    default=True,
    show_default=True,
    help="Say what would be repaired, or repair it.",
)
@yes_option
@actor_option
@json_option
def repair(dry_run: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Repair what queuectl validate finds, where the right value is certain."""
    from queue_store import maintenance

    if not dry_run:
        confirm("Repair what is wrong?", yes)
    with (
        processor("repair") as queue,
        maintenance.begin(
            queue.database, "repair", dry_run=dry_run, actor=actor, on_progress=queue.on_progress
        ) as run,
    ):
        repaired = maintenance.repair(run)
    if as_json:
        write_json({"dry_run": dry_run, "repaired": repaired})
        return
    found = {name: count for name, count in repaired.items() if count}
    for name, count in found.items():
        say(f"{name.replace('_', ' ')}: {count} {'would be ' if dry_run else ''}repaired")
    if not found:
        say("There is nothing to repair.")
