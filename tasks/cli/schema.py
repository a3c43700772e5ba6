import click

from .frame import check_flow, json_option, migrated_database, say, write_json


@click.command()
@click.argument("flow_name", metavar="FLOW")
@json_option
def schema(flow_name: str, as_json: bool) -> None:
    """Show the JSON Schema that the newest registered code of a flow declares for its payloads.

    Without --json, shows the schema alone, for a validator or a code generator. With --json, also shows the flow's name
    and the version of the payloads.
    """
    from dataclasses import asdict

    from queue_store.database.bounded_read import bounded_read
    from queue_store.readings.payload_schema import read_payload_schema

    with migrated_database("schema") as database:
        check_flow(database, flow_name)
        with bounded_read(database) as cursor:
            found = read_payload_schema(cursor, flow_name)
    if found is None:
        raise click.ClickException(f"the flow {flow_name} is gone")
    if as_json:
        write_json(asdict(found))
    elif found.schema is None:
        raise click.ClickException(f"the flow {flow_name} declares no type: its payload is any JSON")
    else:
        write_json(found.schema)
        if found.version and found.version > 1:
            say(f"Version {found.version}. A payload that names no version counts as version 1.", err=True)
