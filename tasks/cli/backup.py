from functools import partial
from pathlib import Path

import click

from queue_store.plural import plural

from .frame import Progress, json_option, migrated_database, say, write_json


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def backup(file: Path, as_json: bool) -> None:
    """Write all tables of the queue into a new FILE, from one snapshot. The queue goes on working."""
    from queue_store.operators.backup import write_backup

    with migrated_database("backup") as database:
        manifest = write_backup(database, file, partial(Progress(), "backup"))
    if as_json:
        write_json(manifest)
    else:
        say(
            f"{plural(manifest.row_counts['processing_queue'])} written to {file}, schema {manifest.schema_version}."
        )
