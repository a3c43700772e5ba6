"""The tables that applications read or join, as SQLAlchemy metadata. The migrations create these tables, so do not
call `create_all`. Constraints, triggers and indexes of the database are not repeated here."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from queue_store.queue_schema import queue_schema
from queue_store.setting_fields import PUBLIC

metadata = MetaData(schema=None if queue_schema() == PUBLIC else queue_schema())


def _instant(name: str, *, nullable: bool = True) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


processing_queue = Table(
    "processing_queue",
    metadata,
    Column("id", BigInteger, primary_key=True),
    _instant("scheduled_at", nullable=False),
    _instant("created_at", nullable=False),
    _instant("updated_at", nullable=False),
    _instant("claimed_at"),
    _instant("started_at"),
    _instant("completed_at"),
    Column("flow_instance_id", Uuid),
    Column("claim_number", Integer, nullable=False),
    Column("retry_count", Integer, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("crash_strikes", SmallInteger, nullable=False),
    Column("batch_limit", SmallInteger),
    Column("flow_name", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("dedup_key", Text),
    Column("order_key", Text),
    Column("correlation_id", Text),
    Column("trace_context", Text),
    Column("error_message", Text),
    Column("result", JSONB),
    Column("enqueued_by", Text, nullable=False),
    Column("unfinished_claims", SmallInteger, nullable=False),
    Column("task_id", Text),
)

record_attempts = Table(
    "record_attempts",
    metadata,
    Column("record_id", BigInteger, primary_key=True),
    Column("claim_number", Integer, primary_key=True),
    Column("attempt_number", Integer, nullable=False),
    Column("flow_name", Text, nullable=False),
    Column("flow_instance_id", Uuid, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("exception_type", Text, nullable=False),
    Column("error_message", Text, nullable=False),
    Column("error_group", Text, nullable=False),
    Column("traceback", Text),
    _instant("started_at"),
    _instant("finished_at", nullable=False),
)

record_progress = Table(
    "record_progress",
    metadata,
    Column("record_id", BigInteger, primary_key=True),
    Column("claim_number", Integer, nullable=False),
    Column("progress", JSONB, nullable=False),
    _instant("updated_at", nullable=False),
)

flows = Table(
    "flows",
    metadata,
    Column("flow_name", Text, primary_key=True),
    Column("celery_queue", Text, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("max_runs", Integer),
    Column("max_retries", Integer, nullable=False),
    Column("orphan_timeout_seconds", Double, nullable=False),
    Column("declared", JSONB, nullable=False),
    _instant("registered_at", nullable=False),
    Column("batch_size_override", Integer),
    Column("max_runs_override", Integer),
    _instant("paused_at"),
    Column("pause_reason", Text),
    _instant("ingestion_stopped_at"),
    Column("ingestion_stop_reason", Text),
    Column("failure_blocks_key", Boolean, nullable=False),
    _instant("claims_failing_since"),
    _instant("claims_failed_at"),
    Column("claims_failed", Integer, nullable=False),
    Column("claims_error", Text),
)

flow_execution_logs = Table(
    "flow_execution_logs",
    metadata,
    Column("flow_instance_id", Uuid, primary_key=True),
    Column("flow_name", Text, nullable=False),
    Column("worker_process_id", Uuid, nullable=False),
    Column("celery_task_id", Text),
    Column("state", Text, nullable=False),
    _instant("started_at", nullable=False),
    _instant("heartbeat_at", nullable=False),
    _instant("finished_at"),
    _instant("settled_at"),
    Column("died_running", Boolean, nullable=False),
    Column("suspect_record_id", BigInteger),
    Column("orphan_count", Integer),
    Column("backend_pid", Integer),  # only older versions write this column and the next one
    _instant("backend_started_at"),
    *(
        Column(name, Integer if name == "batch_count" else BigInteger, nullable=False)
        for name in (
            "batch_count",
            "records_claimed",
            "records_completed",
            "records_retried",
            "records_failed",
            "records_snoozed",
            "records_released",
            "records_cancelled",
            "records_refused",
        )
    ),
    Column("error_message", Text),
    Column("leaves_unfinished", Boolean, nullable=False),
    Column("records_held", Integer, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, primary_key=True),
    _instant("at", nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("affected_count", BigInteger, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("login", Text, nullable=False),
    Column("number", BigInteger),
    Column("seal", LargeBinary),
)

processed_surveys = Table(
    "processed_surveys",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("record_id", BigInteger, nullable=False),
    Column("respondent_id", Integer, nullable=False),
    Column("distance_to_clinton", SmallInteger, nullable=False),
    Column("distance_to_dole", SmallInteger, nullable=False),
    Column("nearest_candidate", Text, nullable=False),
    Column("income_midpoint_dollars", Integer, nullable=False),
    Column("vote_is_consistent", Boolean, nullable=False),
    _instant("processed_at", nullable=False),
)
