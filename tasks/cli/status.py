from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .frame import json_option, migrated_database, say, write_json, write_table

if TYPE_CHECKING:
    from queue_store.readings.flow_counts import FlowCounts
    from queue_store.readings.switches import Switches

HEADINGS = ("flow", "pending", "due", "processing", "completed", "failed", "cancelled", "oldest due", "state")


@click.command()
@click.option("--flow", "flow_name", help="Only this flow.")
@json_option
def status(flow_name: str | None, as_json: bool) -> None:
    """Show how many records each flow has, and what is stopped."""
    from queue_store.readings.flow_counts import add_up, read_flow_counts
    from queue_store.readings.switches import read_switches

    with migrated_database("status") as database, database.transaction() as cursor:
        if flow_name:
            from queue_store.operators.unknown_flows import check_flow_or_records

            check_flow_or_records(cursor, flow_name)
        flows = read_flow_counts(cursor, flow_name)
        switches = read_switches(cursor)
    everything = add_up(flows)
    if as_json:
        write_json(
            {"flows": [asdict(f) for f in flows], "total": asdict(everything), "switches": asdict(switches)}
        )
        return
    rows = [_row(flow, _state(flow, switches)) for flow in flows]
    write_table(HEADINGS, [*rows, _row(everything, "")] if len(rows) > 1 else rows)
    for sentence in switches.sentences():
        say(sentence)
    for flow in flows:
        if not flow.is_registered:
            name = flow.flow_name
            say(f"{name} is not a flow: queuectl move {name} FLOW, or queuectl cancel --flow {name}")


def _state(flow: "FlowCounts", switches: "Switches") -> str:
    if not flow.is_registered:
        return "unknown flow"
    return ", ".join(switches.of(flow.flow_name)) or "open"


def _row(flow: object, state: str) -> list[object]:
    counts = asdict(flow)  # type: ignore[call-overload]
    about = "about " if counts["is_approximate"] else ""
    oldest = counts["oldest_due_seconds"]
    return [
        counts["flow_name"],
        f"{about}{counts['pending']}",
        counts["due"],
        *(counts[name] for name in ("processing", "completed", "failed", "cancelled")),
        None if oldest is None else f"{oldest:.0f} s",
        state,
    ]
