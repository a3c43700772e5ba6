"""The database server and the pools: what is slow, and what holds back vacuum."""

from typing import TYPE_CHECKING, Any

from queue_store.readings.activity import read_held_snapshots, read_slow_statements, read_tables
from queue_store.readings.fleet import read_fleet
from queue_store.readings.server import read_server

if TYPE_CHECKING:
    from tasks.queue_page.views import Look


def database(look: "Look") -> dict[str, Any]:
    server = read_server(look.cursor)
    fleet = read_fleet(look.cursor, look.settings)
    return {
        "server": server,
        "connections_percent": server.connections_percent,
        "pool": {
            "in_use": fleet.pool_in_use,
            "capacity": fleet.pool_capacity,
            "utilization_percent": fleet.pool_utilization_percent,
        },
        "slow": read_slow_statements(look.cursor),
        "snapshots": read_held_snapshots(look.cursor),
        "tables": read_tables(look.cursor),
    }
