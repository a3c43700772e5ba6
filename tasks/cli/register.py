import click

from queue_store.plural import plural

from .frame import json_option, loaded_flows, migrated_database, say, write_json


@click.command()
@json_option
def register(as_json: bool) -> None:
    """Make the flows of FLOW_MODULES known to the database, before any worker runs. May be repeated.

    In a deploy, run this command after queuectl migrate, and before you start applications that enqueue for a new flow.
    """
    from queue_store import flows as flow_store
    from queue_store.settings import load_processor_settings

    from ..authoring.registry import modules_without_flows
    from ..worker.services import declaration

    flows, settings = loaded_flows(), load_processor_settings()
    for module in modules_without_flows(settings):
        say(f"FLOW_MODULES names {module}, which declares no flow.", err=True)
    if not flows:
        raise click.ClickException("no flow is declared: name the modules of your flows in FLOW_MODULES")
    with migrated_database("register") as database, database.transaction() as cursor:
        known = flow_store.read_flow_names(cursor)
        flow_store.register(cursor, [declaration(flow, settings) for flow in flows.values()])
    new = sorted(set(flows) - known)
    if as_json:
        write_json({"registered": sorted(flows), "new": new})
    else:
        new_ones = f" New: {', '.join(new)}." if new else ""
        say(f"{plural(len(flows), 'flow')} registered: {', '.join(sorted(flows))}.{new_ones}")
