"""A filter for an application's own Alembic: `autogenerate` proposes neither to drop nor to create our tables."""

from typing import Any

from queue_store.database.tables import metadata
from queue_store.queue_schema import queue_schema

OUR_TABLES = frozenset({
    "alert_contacts", "alert_notices", "alerts", "audit_log", "audit_seal", "baselines", "beat_leader", "beats",
    "cancel_requests", "connection_checks", "depth_minutes", "error_hours", "flow_execution_logs", "flows",
    "maintenance_runs", "open_slices", "processed_surveys", "processing_queue", "producer_flows", "queue_control",
    "record_attempts", "record_progress", "rollup_deltas", "rollup_hours", "rollup_minutes", "rollup_overall",
    "rollup_progress", "rollup_totals", "schedule_occurrences", "schema_version", "worker_processes",
})  # fmt: skip


def include_object(thing: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Implements Alembic's `include_object`. Returns False for our tables, whether Alembic found them in the database
    or in our own metadata.

    Returns True for everything else. A table that the application's own models declare is not ours, even if one of our
    tables has the same name.
    """
    if kind != "table":
        return True
    if not reflected:
        return thing.metadata is not metadata
    is_of_the_application = compare_to is not None and compare_to.metadata is not metadata
    # None means the first schema of the search_path, which may be ours
    is_in_another_schema = thing.schema not in (None, queue_schema())
    return is_of_the_application or is_in_another_schema or name not in OUR_TABLES
