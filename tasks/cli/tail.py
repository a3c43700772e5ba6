import time
from datetime import datetime

import click

from queue_store.plural import plural

from .frame import check_flow, migrated_database, say, write_json_line
from .live import interval_option, lines_option, times_option


@click.command()
@click.option("--flow", "flow_name", help="Only this flow.")
@interval_option
@times_option
@lines_option
def tail(flow_name: str | None, interval: float, times: int | None, as_json: bool) -> None:
    """Write outcomes as they happen: each unsuccessful attempt, and how many records completed. Times are by the
    database's clock, in the time zone of this host."""
    from queue_store.database.bounded_read import bounded_read
    from queue_store.readings.outcomes import OutcomeReader
    from queue_store.schedule.recurring import database_time

    with migrated_database("tail") as database:
        if flow_name:
            check_flow(database, flow_name)
        reader = OutcomeReader(flow_name)
        looks = 0
        while times is None or looks < times:
            with bounded_read(database, replica=True) as cursor:
                completed, attempts = reader.read(cursor)
                now = database_time(cursor)
            for name, count in sorted(completed.items()):
                _tell(as_json, at=_clock(now), flow=name, outcome="completed", records=count)
            for attempt in attempts:
                _tell(
                    as_json,
                    at=_clock(attempt.at),
                    flow=attempt.flow_name,
                    outcome=attempt.outcome,
                    record=attempt.record_id,
                    error=attempt.text,
                )
            looks += 1
            if looks != times:
                time.sleep(interval)


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")


def _tell(as_json: bool, **event: object) -> None:
    if as_json:
        write_json_line(event)
        return
    at, flow, outcome, *rest = event.values()
    count = plural(int(str(rest[0]))) if "records" in event else f"record {rest[0]}: {rest[1]}"
    say(f"{at}  {flow:<24} {outcome:<10} {' '.join(count.split())}")
