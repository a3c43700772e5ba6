import click

from .frame import json_option, say, write_json, write_table


@click.command()
@json_option
def capacity(as_json: bool) -> None:
    """Show the load, the number of containers that are wanted, and how long the present containers suffice."""
    from ..monitoring import calculate_capacity_utilization

    found = calculate_capacity_utilization()
    if as_json:
        write_json(found)
        return
    growth, pool = found["growth"], found["pool"]
    write_table(
        ("what", "figure"),
        [
            ("records pending and processing", found["current_load"]),
            ("records an hour that the containers can process", f"{found['theoretical_capacity']:g}"),
            ("utilization", f"{found['utilization_percent']:g} %"),
            ("containers configured", found["containers"]),
            ("containers wanted", found["wanted_containers"]),
            ("containers that the server has connections for", found["maximum_containers"]),
            ("more containers now", "yes" if found["scale_up"] else "no"),
            (
                "pool size recommended",
                f"{pool['recommended_pool_size']} + {pool['recommended_max_overflow']}",
            ),
            ("server connections", f"{pool['server_connections']} of {pool['server_connection_limit']}"),
            ("records a day", growth["records_per_day"]),
            ("growth a day", growth["growth_per_day"]),
            ("days until the limit", growth["days_until_limit"]),
        ],
    )
    if found["needed_containers"] > found["maximum_containers"]:
        say(
            f"{found['needed_containers']} containers are needed, but the server has connections for "
            f"{found['maximum_containers']} only: raise its max_connections, or put a pooler in front.",
            err=True,
        )
    if found["replica_problem"]:
        say(f"The history was {found['replica_problem']}", err=True)
    if growth["records_per_day"] is None:
        say(f"The growth is computed from 7 full days of history; so far there are {growth['days_seen']}.")
