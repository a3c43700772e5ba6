import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from queue_store.plural import plural

from .frame import processor, write_json_line
from .live import HEADINGS, QueueLook, interval_option, lines_option, look_at_queue, times_option

if TYPE_CHECKING:
    from rich.console import Console, Group
    from rich.table import Table

    from queue_store.alerting.alerts import Alert

DROPPED_FIRST = ("median", "in/min", "runs", "success 1 h", "processing", "95 %")
SHORTEST_NAME = 16
BORDER = 3  # Each column has a border of this width.
LINES_AROUND = 8  # Lines for headings, borders, the fleet and an alert.


@click.command()
@click.option("--flow", "flow_name", help="Only this flow.")
@interval_option
@times_option
@lines_option
def top(flow_name: str | None, interval: float, times: int | None, as_json: bool) -> None:
    """Show the queue live: depth, rates, latency, workers and alerts. Ctrl-C ends it."""
    from rich.console import Console
    from rich.live import Live

    from queue_store.alerting.alerts import count_alerts, read_alerts
    from queue_store.database.bounded_read import bounded_read

    with processor("top") as queue:

        def looked() -> "tuple[QueueLook, Sequence[Alert], int]":
            look = look_at_queue(queue.database, queue.settings, flow_name)
            with bounded_read(queue.database) as cursor:
                alerts = read_alerts(cursor)
                return look, alerts, count_alerts(cursor, alerts)

        def more() -> bool:
            nonlocal looks
            looks += 1
            if looks == times:
                return False
            time.sleep(interval)
            return True

        if flow_name:
            queue.check_flow(flow_name)
        looks, console = 0, Console()
        if as_json:
            _write(*looked())
            while more():
                _write(*looked())
            return
        # With `times`, the command ends on its own, and a separate screen would disappear together with the last
        # figures. So the command opens a separate screen only without `times`.
        own_screen = console.is_terminal and times is None
        with Live(
            _picture(console, *looked()), console=console, screen=own_screen, auto_refresh=False
        ) as live:
            while more():
                live.update(_picture(console, *looked()), refresh=True)


def _write(look: QueueLook, alerts: "Sequence[Alert]", alert_count: int) -> None:
    write_json_line(look.document() | {"alerts": alerts, "alert_count": alert_count})


def _picture(console: "Console", look: QueueLook, alerts: "Sequence[Alert]", alert_count: int) -> "Group":
    from rich.console import Group
    from rich.text import Text

    from queue_store.explain import lasting

    alive, pool = len(look.fleet.alive), look.fleet.pool_utilization_percent
    use = "-" if pool is None else f"{pool} %"
    line = f"{plural(alive, 'worker process', 'worker processes')} alive, pool use {use}"
    if look.replica_lag_seconds is not None:
        line += f", replica {lasting(look.replica_lag_seconds)} behind"
    told = [Text(f"{alert.level}: {alert.message}", style="red") for alert in alerts]
    if alert_count > len(alerts):
        told.append(Text(f"and {plural(alert_count - len(alerts), 'more alert')}: queuectl alerts"))
    room = max(console.height - LINES_AROUND, 5) if console.is_terminal else len(look.flows)
    rows = look.rows(room)
    left_out = len(look.flows) - room
    below = [Text(f"and {left_out:,} flows with less to do: queuectl status")] if left_out > 0 else []
    return Group(Text(line), _table(rows, console.width), *below, *(told or [Text("No alert is open.")]))


def _table(rows: list[list[str]], width: int) -> "Table":
    """Leaves out columns for which there is no room, because a truncated figure would mislead."""
    from rich.table import Table
    from rich.text import Text

    shown = _columns_that_fit(rows, width)
    table = Table(expand=True)
    for index in shown:
        is_name = index == 0
        table.add_column(HEADINGS[index], no_wrap=True, ratio=1 if is_name else None, overflow="ellipsis")
    for row in rows:
        table.add_row(*(Text(row[index]) for index in shown))
    return table


def _columns_that_fit(rows: list[list[str]], width: int) -> list[int]:
    shown = list(range(len(HEADINGS)))
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    widths[0] = min(widths[0], SHORTEST_NAME)
    for heading in DROPPED_FIRST:
        if sum(widths[index] + BORDER for index in shown) + 1 <= width:
            break
        shown.remove(HEADINGS.index(heading))
    return shown
