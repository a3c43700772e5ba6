from dataclasses import asdict
from pathlib import Path

import click

from queue_store.plural import plural

from .frame import actor_option, confirm, json_option, processor, say, write_json, yes_option


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Before restoring, delete everything that is in the queue.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check file and queue, say what the file holds, and change nothing.",
)
@yes_option
@actor_option
@json_option
def restore(file: Path, replace: bool, dry_run: bool, yes: bool, actor: str, as_json: bool) -> None:
    """Restore a file that queuectl backup wrote: all of it or nothing.

    Stop processing and ingestion first: queuectl stop --all. Then wait until no run works any more. Both stay stopped
    until you call queuectl resume --all.

    Without --replace, a queue that has records is refused, with and without --dry-run.

    If a task must not be repeated after a crash, its records that were being processed fail, unless a run still holds
    them.
    """
    from queue_store.operators.backup import check_fits, check_room, read_manifest, restore_backup

    manifest = read_manifest(file)
    what = f"{plural(manifest.row_counts['processing_queue'])} of {manifest.made_at}"
    not_repeated_count: int | None = None
    if dry_run:
        with processor("restore") as queue:
            check_fits(queue.database, manifest)
            with queue.database.transaction() as cursor:
                check_room(cursor, replace=replace)
    else:
        confirm(f"Restore {what}{', and delete what is there now' if replace else ''}?", yes)
        with processor("restore") as queue:
            not_repeated_count = restore_backup(
                queue.database, file, replace=replace, actor=actor, on_progress=queue.on_progress
            )
    if as_json:
        write_json(asdict(manifest) | {"not_repeated_count": not_repeated_count})
    else:
        failed = not_repeated_count or 0
        ended = f", of which {failed:,} failed, because their tasks must not be repeated" if failed else ""
        say(f"{what}: {'would be restored' if dry_run else 'restored'}{ended}.")
