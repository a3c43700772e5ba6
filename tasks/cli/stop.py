import click

from .frame import (
    actor_option,
    confirm,
    json_option,
    processor,
    reason_option,
    say,
    write_json,
    yes_option,
)


@click.command()
@click.argument("flow_name", metavar="[FLOW]", required=False)
@click.option(
    "--ingestion",
    is_flag=True,
    help="Refuse new records of the flow, or of all flows. Follow-up records that handlers enqueue are still accepted.",
)
@click.option(
    "--processing",
    is_flag=True,
    help="Stop claiming records, in the whole cluster. Handlers that are already running go on to their end.",
)
@click.option("--all", "everything", is_flag=True, help="Stop ingestion and processing of all flows.")
@reason_option
@yes_option
@actor_option
@json_option
def stop(
    flow_name: str | None,
    ingestion: bool,
    processing: bool,
    everything: bool,
    reason: str | None,
    yes: bool,
    actor: str,
    as_json: bool,
) -> None:
    """Stop ingestion, processing, or both. To undo the stop, call `queuectl resume` with the same flow and the same
    --ingestion, --processing or --all."""
    ingestion, processing = ingestion or everything, processing or everything
    if not ingestion and not processing:
        raise click.UsageError("Say what to stop: --ingestion, --processing or --all.")
    if flow_name and processing:
        raise click.UsageError(f"--processing stops all flows; for one: queuectl pause {flow_name}")
    if flow_name is None:
        confirm(f"Stop {_what(ingestion, processing)} of all flows?", yes)
    with processor("stop") as queue:
        if ingestion:
            queue.stop_ingestion(flow_name, actor=actor, reason=reason)
        if processing:
            queue.stop_processing(actor=actor, reason=reason)
    if as_json:
        write_json({"flow_name": flow_name, "ingestion_stopped": ingestion, "processing_stopped": processing})
    else:
        say(f"{_what(ingestion, processing).capitalize()} of {flow_name or 'all flows'}: stopped.")


def _what(ingestion: bool, processing: bool) -> str:
    return " and ".join(
        name for name, is_meant in (("ingestion", ingestion), ("processing", processing)) if is_meant
    )
