from typing import NoReturn

import click

from .frame import json_option, processor, say, write_json


class RecordId(click.IntRange):
    def fail(
        self, message: str, param: click.Parameter | None = None, ctx: click.Context | None = None
    ) -> NoReturn:
        super().fail(f"{message} Name a record by its id, or a flow with --flow NAME.", param, ctx)


@click.command()
@click.argument("record_id", type=RecordId(1, 2**63 - 1), required=False)
@click.option("--flow", "flow_name", help="Explain a flow as a whole instead of a record.")
@json_option
def explain(record_id: int | None, flow_name: str | None, as_json: bool) -> None:
    """Say why a record, or the records of a flow, are not processed."""
    from queue_store.database.bounded_read import bounded_read
    from queue_store.explain import explain_flow, explain_record

    if (record_id is None) == (flow_name is None):
        raise click.UsageError("name a record, or a flow with --flow")
    with processor("explain") as queue, bounded_read(queue.database) as cursor:
        if flow_name is not None:
            explanation = explain_flow(cursor, queue.settings, flow_name)
        else:
            explanation = explain_record(cursor, queue.settings, record_id or 0)
    if as_json:
        write_json(explanation.as_json())
        return
    status = f" is {explanation.status}" if explanation.status else ""
    say(f"{explanation.subject.capitalize()}{status} (flow {explanation.flow_name})")
    for reason in explanation.reasons:
        say(f"  {reason.code}: {reason.text}")
