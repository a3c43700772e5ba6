import click

from queue_store.plural import plural

from .frame import json_option, migrated_database, say, write_json, write_table


@click.command()
@click.option("--full", is_flag=True, help="Also read finished records. This scans the whole table.")
@json_option
def validate(full: bool, as_json: bool) -> None:
    """Look for data that must not be in the queue. Exit 1 if something is found."""
    from queue_store.readings.integrity import CHECKS, find_violations

    with migrated_database("validate") as database, database.transaction() as cursor:
        violations = find_violations(cursor, full=full)
    if as_json:
        write_json(violations)
    elif violations:
        rows = [(v.check.name, v.record_id, v.problem, v.check.repair) for v in violations]
        write_table(("check", "record", "problem", "repair"), rows)
    else:
        made = [check for check in CHECKS if full or not check.scans_history]
        say(f"{plural(len(made), 'check')} made, nothing found.")
    raise SystemExit(1 if violations else 0)
