import time

import click

from .frame import processor
from .live import HEADINGS, interval_option, look_at_queue, times_option


@click.command()
@click.option("--flow", "flow_name", help="Only this flow.")
@interval_option
@times_option
def top(flow_name: str | None, interval: float, times: int | None) -> None:
    """Show the queue live: depth, rates, latency, workers and alerts. Ctrl-C ends it."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from queue_store.alerting.alerts import read_alerts
    from queue_store.database.bounded_read import bounded_read
    from queue_store.explain import lasting

    with processor("top") as queue:

        def picture() -> Group:
            look = look_at_queue(queue.database, queue.settings, flow_name)
            with bounded_read(queue.database) as cursor:
                alerts = read_alerts(cursor)
            table = Table(*HEADINGS, expand=True)
            for row in look.rows():
                table.add_row(*map(Text, row))
            alive, pool = len(look.fleet.alive), look.fleet.pool_utilization_percent
            line = f"{alive} worker process(es) alive, pool use {'-' if pool is None else f'{pool} %'}"
            if look.replica_lag_seconds is not None:
                line += f", replica {lasting(look.replica_lag_seconds)} behind"
            lines = [Text(f"{alert.level}: {alert.message}", style="red") for alert in alerts]
            return Group(Text(line), table, *(lines or [Text("No alert is open.")]))

        if flow_name:
            queue.check_flow(flow_name)
        console = Console()
        with Live(picture(), console=console, screen=console.is_terminal, auto_refresh=False) as live:
            remaining = None if times is None else times - 1
            while remaining is None or remaining > 0:
                time.sleep(interval)
                live.update(picture(), refresh=True)
                remaining = None if remaining is None else remaining - 1
