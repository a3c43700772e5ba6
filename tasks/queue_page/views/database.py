"""The database server, the connection pools, the tables, slow statements, and snapshots that hold back vacuum."""

from typing import Any

from queue_store.readings.activity import read_held_snapshots, read_slow_statements, read_tables
from queue_store.readings.fleet import read_fleet
from queue_store.readings.server import read_database_bytes, read_server

from ..database import has_replica, replica_lag_seconds
from .levels import held_snapshot, judge
from .request import ViewRequest


def database(request: ViewRequest) -> dict[str, Any]:
    server = read_server(request.cursor)
    fleet = read_fleet(request.cursor, request.settings)
    snapshots = read_held_snapshots(request.cursor)
    thresholds = request.settings.alert_thresholds
    return {
        "server": server,
        "connections_percent": server.connections_percent,
        "pool": {
            "in_use": fleet.pool_in_use,
            "capacity": fleet.pool_capacity,
            "utilization_percent": fleet.pool_utilization_percent,
        },
        "replica": {"lag_seconds": replica_lag_seconds()} if has_replica() else None,
        "slow": read_slow_statements(request.cursor),
        "snapshots": snapshots,
        "tables": read_tables(request.cursor),
        "database_bytes": read_database_bytes(request.cursor),
        "levels": {
            "connections": judge(thresholds, "pool_utilization", server.connections_percent),
            "pool": judge(thresholds, "pool_utilization", fleet.pool_utilization_percent),
            "snapshot": held_snapshot(max((held.seconds or 0.0 for held in snapshots), default=0.0)),
        },
    }
