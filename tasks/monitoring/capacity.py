"""Calculates whether there are enough containers, and for how long they will be enough."""

import math
from typing import Any

from queue_store.readings.trends import Day, read_days
from queue_store.settings import ProcessorSettings, default_pool_size, load_processor_settings

from .databases import database_named, read_beside
from .rules import flow_rules
from .snapshot import Snapshot, take_snapshot

CONNECTIONS_EACH = 2  # for each worker process: one for its run, one for its heartbeat
GROWTH_DAYS = 28
GROWTH_MINIMUM_DAYS = 7
WEEK_DAYS = 7


def calculate_capacity_utilization() -> dict[str, Any]:
    """Returns the load, the capacity of the configured containers, and how many containers are needed.

    The theoretical capacity assumes CONTAINERS containers. Each container processes CAPACITY_RATE_PER_HOUR batches
    of BATCH_SIZE records an hour. Raises DatabaseUnavailableError.
    """
    database, settings = database_named(), load_processor_settings()
    snapshot = take_snapshot(database, settings, with_integrity=False)
    days, replica_problem = read_beside(database, lambda cursor: read_days(cursor, GROWTH_DAYS))
    capacity_per_hour = settings.containers * settings.batch_size * settings.capacity_rate_per_hour
    wanted, maximum = wanted_containers(snapshot.claimable.due, settings), maximum_containers(snapshot)
    load = snapshot.overall.pending + snapshot.overall.processing
    return {
        "current_load": load,
        "theoretical_capacity": capacity_per_hour,
        "utilization_percent": round(100 * load / capacity_per_hour, 2),
        "containers": settings.containers,
        "wanted_containers": min(wanted, maximum),
        "needed_containers": wanted,
        "maximum_containers": maximum,
        "scale_up": any(flow_rules.backlog(snapshot)),
        "flows": _flows(snapshot),
        "pool": _pool(snapshot, settings),
        "growth": project_growth(days, capacity_per_hour * 24),
        "replica_problem": replica_problem,
    }


def wanted_containers(waiting: int, settings: ProcessorSettings) -> int:
    """Returns how many containers are needed to process all waiting records within an hour: ceil(waiting /
    (BATCH_SIZE * CAPACITY_RATE_PER_HOUR)), but at least one. Three kinds of records do not count as waiting: records
    that are due later, records of a stopped flow, and records of a flow in `Snapshot.waiting_for_keys`."""
    return max(1, math.ceil(waiting / (settings.batch_size * settings.capacity_rate_per_hour)))


def maximum_containers(snapshot: Snapshot) -> int:
    """Returns the number of containers for which the server has connections. A worker process needs two connections.
    The connections that other programs use are not available."""
    fleet, server = snapshot.fleet, snapshot.server
    hosts = {process.hostname for process in fleet.alive}
    processes_each = math.ceil(len(fleet.alive) / len(hosts)) if hosts else 1
    for_workers = server.connection_limit - max(0, server.connection_count - fleet.pool_in_use)
    return max(1, for_workers // (CONNECTIONS_EACH * processes_each))


def project_growth(days: list[Day], capacity_per_day: float) -> dict[str, Any]:
    """Fits a line to the number of records enqueued each day. `days_until_limit` is the number of days until the fitted
    line reaches `capacity_per_day`. The number is 0 if the capacity is already reached, and None if there are too few
    days or no growth."""
    if len(days) < GROWTH_MINIMUM_DAYS:
        return {
            "days_seen": len(days),
            "records_per_day": None,
            "growth_per_day": None,
            "days_until_limit": None,
        }
    slope, level = _trend([float(day.enqueued) for day in days])
    reached = level >= capacity_per_day
    growing = slope > 0.001 * max(level, 1)
    return {
        "days_seen": len(days),
        "records_per_day": round(level, 1),
        "growth_per_day": round(slope, 2),
        "days_until_limit": 0
        if reached
        else math.ceil((capacity_per_day - level) / slope)
        if growing
        else None,
    }


def _trend(values: list[float]) -> tuple[float, float]:
    """Returns the slope, and the level of the last day. With data of two weeks or more, fits the line to averages of
    seven days, so that a weekend does not look like a trend."""
    if len(values) < 2 * WEEK_DAYS:
        return _line(values)
    averages = [
        sum(values[first : first + WEEK_DAYS]) / WEEK_DAYS for first in range(len(values) - WEEK_DAYS + 1)
    ]
    slope, level = _line(averages)
    return slope, level + slope * (WEEK_DAYS - 1) / 2


def _line(values: list[float]) -> tuple[float, float]:
    """Fits a line by least squares. Returns the slope, and the level at the last value."""
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    spread = sum((x - middle) ** 2 for x in range(len(values)))
    slope = sum((x - middle) * (value - mean) for x, value in enumerate(values)) / spread
    return slope, mean + slope * middle


def _flows(snapshot: Snapshot) -> dict[str, Any]:
    return {
        flow.flow_name: {
            "pending": flow.pending,
            "processing": flow.processing,
            "batch_size": flow.batch_size,
            "outcomes_last_hour": hour.outcomes if (hour := snapshot.hour.get(flow.flow_name)) else 0,
        }
        for flow in snapshot.flows
    }


def _pool(snapshot: Snapshot, settings: ProcessorSettings) -> dict[str, Any]:
    """Returns the recommended pool size for the configured containers, the use of the workers' pools in percent, and
    the server's connections with their limit."""
    pool_size = default_pool_size(settings.containers)
    return {
        "recommended_pool_size": pool_size,
        "recommended_max_overflow": 2 * pool_size,
        "fleet_utilization_percent": snapshot.fleet.pool_utilization_percent,
        "server_connection_limit": snapshot.server.connection_limit,
        "server_connections": snapshot.server.connection_count,
    }
