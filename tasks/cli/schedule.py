from typing import Any
from zoneinfo import ZoneInfo

import click

from queue_store.schedule import recurring
from queue_store.settings import load_processor_settings

from .frame import json_option, loaded_flows, opened_database, say, write_json, write_table


@click.command()
@json_option
def schedule(as_json: bool) -> None:
    """Show the flows that have a schedule, each with its last and its next due time."""
    from ..schedule.due_time import next_due

    settings = load_processor_settings()
    flows = [flow for flow in loaded_flows().values() if flow.schedule is not None]
    rows: list[dict[str, Any]] = []
    with opened_database("schedule") as database, database.transaction() as cursor:
        now = recurring.database_time(cursor)
        for flow in sorted(flows, key=lambda flow: flow.name):
            assert flow.schedule is not None
            last = recurring.last_occurrence(cursor, flow.name)
            rows.append({
                "flow_name": flow.name,
                "schedule": str(flow.schedule),
                "last_at": last.due_at if last and last.state == "finished" else None,
                "next_at": next_due(flow.schedule, now, ZoneInfo(settings.timezone)),
            })  # fmt: skip
    if as_json:
        write_json(rows)
    elif rows:
        write_table(list(rows[0]), [list(row.values()) for row in rows])
    else:
        say("No flow has a schedule: declare one with @flow(schedule=crontab(...)).")
