import click

from .frame import actor_option, json_option, processor, say, write_json


@click.command()
@click.argument("flow_name", metavar="FLOW")
@click.option("--batch-size", type=click.IntRange(1, 10_000), help="Records a batch.")
@click.option(
    "--max-runs", type=click.IntRange(1, 10_000), help="Runs at the same time, in the whole cluster."
)
@click.option("--reset", "to_declared", is_flag=True, help="Both as the flow declares them.")
@actor_option
@json_option
def tune(
    flow_name: str, batch_size: int | None, max_runs: int | None, to_declared: bool, actor: str, as_json: bool
) -> None:
    """Change a flow's batch size or number of runs while it works; it follows within seconds."""
    from queue_store.database.statements import sql

    if to_declared == bool(batch_size or max_runs):
        raise click.UsageError("Say --batch-size, --max-runs or both; or --reset alone.")
    parameters = {
        "flow_name": flow_name,
        "actor": actor,
        "batch_size": batch_size,
        "sets_batch_size": batch_size is not None or to_declared,
        "max_runs": max_runs,
        "sets_max_runs": max_runs is not None or to_declared,
    }
    with processor("tune") as queue:
        queue.check_flow(flow_name)
        with queue.database.transaction() as cursor:
            row = cursor.execute(sql("flows/tune_flow"), parameters).fetchone()
    declared_size, size, declared_runs, runs = row or (None, None, None, None)
    if as_json:
        write_json(
            {"flow_name": flow_name, "batch_size": size or declared_size, "max_runs": runs or declared_runs}
        )
    else:
        say(
            f"{flow_name}: batches of {size or declared_size}, {runs or declared_runs or 'any number of'} run(s)."
        )
