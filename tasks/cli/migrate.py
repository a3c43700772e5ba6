from typing import TYPE_CHECKING

import click

from .frame import json_option, opened_database, say, write_json

if TYPE_CHECKING:
    from queue_store.database.manager import DatabaseManager
    from queue_store.database.schema import Migration
    from queue_store.errors import SchemaVersionError


@click.command()
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say which migrations are missing, what each one locks, and whether they would be refused.",
)
@json_option
def migrate(dry_run: bool, as_json: bool) -> None:
    """Migrate the database to the schema of this version, and renew the rights of existing roles. May be repeated. If
    the schema is newer and serves this release, change nothing."""
    from queue_store.database.quick_look import has_nothing_to_migrate
    from queue_store.database.versions import described, is_known, latest_version

    refusal = None
    if has_nothing_to_migrate():
        before, missing = latest_version(), []
    else:
        before, missing, refusal = _migrate(dry_run)
    if refusal and as_json:
        raise refusal
    version = latest_version() if is_known(before) else before
    if as_json:
        write_json(
            {"version_before": before, "version": version, "is_dry_run": dry_run, "migrations": missing}
        )
    elif version != latest_version():
        say(f"The schema is at {described(version)}.")
    else:
        _tell(before, missing, dry_run)
    if refusal:
        raise refusal


def _tell(before: str | None, missing: "list[Migration]", dry_run: bool) -> None:
    from queue_store.database.versions import latest_version

    for migration in missing:
        if dry_run:
            say(f"{migration.version}: {migration.description}")
        elif migration.is_recognised:
            say(migration.description.splitlines()[0])
    if not missing:
        say(f"The schema is at {latest_version()} already.")
    elif dry_run:
        say(f"Nothing was changed; the schema is at {before or 'nothing'}.")
    else:
        say(f"The schema is at {latest_version()}.")


def _migrate(dry_run: bool) -> "tuple[str | None, list[Migration], SchemaVersionError | None]":
    """Return the schema's version before the migration, and the migrations that were missing. A dry run also returns
    the error with which the migration would be refused. If the schema is newer, the roles keep the rights that the
    newer release has granted."""
    from queue_store.database import schema
    from queue_store.database.versions import is_known
    from queue_store.errors import SchemaVersionError

    refusal = None
    with opened_database("migrate") as database:
        before = schema.current_version(database.engine)
        missing = schema.missing_migrations(database.engine)
        if not dry_run and is_known(before):
            schema.migrate(database.engine)
            _grant_again(database)
        if dry_run:
            try:
                schema.check_migratable(database.engine)
            except SchemaVersionError as error:
                refusal = error
    return before, missing, refusal


def _grant_again(database: "DatabaseManager") -> None:
    """Grant roles again, because existing roles lack rights on tables that a migration added. If granting fails, the
    error is reported, and the migration is kept."""
    import psycopg.errors

    from queue_store.database import roles
    from queue_store.errors import QueueStoreError

    if not roles.are_granted(database):
        return
    try:
        roles.grant_roles(database)
    except (QueueStoreError, psycopg.errors.InsufficientPrivilege) as error:
        say(
            f"The roles may lack rights on new tables and functions. Run `queuectl grant-roles`: {error}",
            err=True,
        )
