"""The database server, the connection pools, the tables, slow statements, and snapshots that hold back vacuum."""

import logging
from typing import Any

import psycopg
from psycopg import Cursor

from queue_store.readings.activity import read_held_snapshots, read_slow_statements, read_tables
from queue_store.readings.fleet import read_fleet
from queue_store.readings.server import read_database_bytes, read_server

from ..database import has_replica, replica_lag_seconds
from .levels import held_snapshot, judge
from .request import ViewRequest

logger = logging.getLogger(__name__)


def database(request: ViewRequest) -> dict[str, Any]:
    server = read_server(request.cursor)
    fleet = read_fleet(request.cursor, request.settings)
    snapshots = read_held_snapshots(request.cursor)
    thresholds = request.settings.alert_thresholds
    answer = {
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
        "levels": {
            "connections": judge(thresholds, "pool_utilization", server.connections_percent),
            "pool": judge(thresholds, "pool_utilization", fleet.pool_utilization_percent),
            "snapshot": held_snapshot(max((held.seconds or 0.0 for held in snapshots), default=0.0)),
        },
    }
    return answer | {"database_bytes": _database_bytes(request.cursor)}


def _database_bytes(cursor: Cursor[Any]) -> int | None:
    """Returns None if the reading fails, for example at its time limit: it takes a long time to read the size of a
    large database. Because of the savepoint, the transaction goes on after an error. A separate transaction would need
    another of the page's few connections."""
    try:
        with cursor.connection.transaction():
            return read_database_bytes(cursor)
    except psycopg.Error as error:
        logger.warning("the size of the database is not shown: %s", error)
        return None
