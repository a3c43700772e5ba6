import click

from .frame import json_option, opened_database, say, write_json


@click.command()
@json_option
def grant_roles(as_json: bool) -> None:
    """Create the Postgres roles of the queue, and grant each role its rights. May be repeated."""
    from queue_store.database import roles

    with opened_database("grant-roles") as database:
        names = roles.grant_roles(database)
    if as_json:
        write_json({"roles": list(names)})
        return
    say("Granted. Give the roles to your logins, for example:")
    for name in names:
        say(f"  GRANT {name} TO your_login;")
