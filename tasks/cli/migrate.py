import click

from .frame import json_option, opened_database, say, write_json


@click.command()
@click.option("--dry-run", is_flag=True, help="Say which migrations are missing, and what each one locks.")
@json_option
def migrate(dry_run: bool, as_json: bool) -> None:
    """Bring the database to the schema of this version. May be repeated."""
    from queue_store.database import schema

    with opened_database("migrate") as database:
        before = schema.current_version(database.engine)
        missing = schema.missing_migrations(database.engine)
        if not dry_run:
            schema.migrate(database.engine)
    if as_json:
        write_json(
            {
                "version_before": before,
                "version": schema.latest_version(),
                "is_dry_run": dry_run,
                "migrations": missing,
            }
        )
        return
    for migration in missing if dry_run else []:
        say(f"{migration.version}: {migration.description}")
    if not missing:
        say(f"The schema is at {schema.latest_version()} already.")
    elif dry_run:
        say(f"Nothing was changed; the schema is at {before or 'nothing'}.")
    else:
        say(f"The schema is at {schema.latest_version()}.")
