import click

from queue_store.plural import plural

from .frame import actor_option, check_flow, json_option, migrated_database, say, write_json


@click.command()
@click.argument("flow_name", metavar="FLOW")
@click.option("--batch-size", type=click.IntRange(1, 10_000), help="How many records a run claims at once.")
@click.option(
    "--max-runs",
    type=click.IntRange(1, 10_000),
    help="How many runs may work at the same time, in the whole cluster.",
)
@click.option("--reset", "to_declared", is_flag=True, help="Go back to the values that the flow declares.")
@actor_option
@json_option
def tune(
    flow_name: str, batch_size: int | None, max_runs: int | None, to_declared: bool, actor: str, as_json: bool
) -> None:
    """Change a flow's batch size or its maximum number of runs. Workers use the new values within seconds."""
    from queue_store.flows import tune as tune_flow

    if to_declared == bool(batch_size or max_runs):
        raise click.UsageError("Pass --batch-size, --max-runs or both; or --reset alone.")
    with migrated_database("tune") as database:
        check_flow(database, flow_name)
        with database.transaction() as cursor:
            tuned = tune_flow(
                cursor,
                flow_name,
                batch_size=batch_size,
                max_runs=max_runs,
                to_declared=to_declared,
                actor=actor,
            )
    if as_json:
        write_json({"flow_name": flow_name, "batch_size": tuned.batch_size, "max_runs": tuned.max_runs})
    else:
        runs = plural(tuned.max_runs, "run") if tuned.max_runs else "any number of runs"
        say(f"{flow_name}: batches of {tuned.batch_size}, {runs}.")
