import click

from .frame import actor_option, json_option, processor, say, write_json


@click.command()
@click.argument("flow_name", metavar="[FLOW]", required=False)
@click.option("--ingestion", is_flag=True, help="Accept new records of the flow, or of all flows, again.")
@click.option("--processing", is_flag=True, help="Claim records again, in the whole cluster.")
@click.option("--all", "everything", is_flag=True, help="Resume ingestion and processing of all flows.")
@actor_option
@json_option
def resume(
    flow_name: str | None, ingestion: bool, processing: bool, everything: bool, actor: str, as_json: bool
) -> None:
    """Resume a paused flow (queuectl resume FLOW), or undo queuectl stop.

    A flow that was paused or stopped by name must be resumed by name.
    """
    ingestion, processing = ingestion or everything, processing or everything
    if flow_name and processing:
        raise click.UsageError(f"--processing is for all flows; for one: queuectl resume {flow_name}")
    if not (flow_name or ingestion or processing):
        raise click.UsageError("Name a flow, or pass --ingestion, --processing or --all.")
    resumed: dict[str, list[str]] = {}
    with processor("resume") as queue:
        if ingestion:
            resumed["ingestion"] = queue.resume_ingestion(flow_name, actor=actor)
        if processing:
            resumed["processing"] = queue.resume_processing(actor=actor)
        if flow_name and not ingestion:
            resumed["paused"] = queue.resume(flow_name, actor=actor)
    if as_json:
        write_json({"flow_name": flow_name, "resumed": resumed})
        return
    for what, names in resumed.items():
        say(_outcome(what, flow_name, is_resumed=bool(names)))


def _outcome(what: str, flow_name: str | None, *, is_resumed: bool) -> str:
    if what == "paused":
        return f"{flow_name}: {'resumed' if is_resumed else 'was not paused'}."
    return f"{what} of {flow_name or 'all flows'}: {'resumed' if is_resumed else 'was not stopped'}."
