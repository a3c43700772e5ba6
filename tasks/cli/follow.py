import time
from typing import TYPE_CHECKING

import click

from .frame import processor, say, write_json_line
from .live import QueueLook, interval_option, lines_option, look_at_queue, times_option

if TYPE_CHECKING:
    from queue_store.distributed_processor import DistributedProcessor


@click.command()
@click.argument("flow_name", metavar="FLOW")
@interval_option
@times_option
@click.option("--until-empty", is_flag=True, help="End when no record of the flow is pending or processing.")
@lines_option
def follow(flow_name: str, interval: float, times: int | None, until_empty: bool, as_json: bool) -> None:
    """Write a line about a flow every few seconds, with the reasons why its records are not processed."""
    from queue_store.database.bounded_read import bounded_read
    from queue_store.explain import explain_flow

    with processor("follow") as queue:
        queue.check_flow(flow_name)
        looks = 0
        while True:
            look = look_at_queue(queue.database, queue.settings, flow_name)
            with bounded_read(queue.database) as cursor:
                reasons = explain_flow(cursor, queue.settings, flow_name).reasons
            blocking = [reason.code for reason in reasons if reason.is_blocking]
            if as_json:
                write_json_line({**look.document()["flows"][0], "blocked_by": blocking})
            else:
                say(_line(look, blocking))
            looks += 1
            (flow,) = look.flows
            is_empty = until_empty and not flow.pending and not flow.processing
            if looks == times or (is_empty and not _left(queue, flow_name)):
                return
            time.sleep(interval)


def _left(queue: "DistributedProcessor", flow_name: str) -> int:
    """Counts unfinished records on the primary, because a replica that lags does not have the newest records."""
    from queue_store.database.bounded_read import bounded_read
    from queue_store.readings.unfinished import unfinished_counts

    with bounded_read(queue.database) as cursor:
        return unfinished_counts(cursor, flow_name).total


def _line(look: QueueLook, blocking: list[str]) -> str:
    (row,) = look.rows()
    runs = "run" if row[10] == "1" else "runs"
    figures = f"{row[1]} pending, {row[2]} processing, {row[3]} failed, {row[6]} out/min, {row[10]} {runs}"
    return "; ".join([f"{time.strftime('%H:%M:%S')}  {figures}", *blocking])
