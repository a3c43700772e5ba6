"""Read-only models of the queue's tables. Django cannot write to the tables through these models, because only the
queue's own statements change a record and the counts together.

The models are unmanaged, because `queuectl migrate` makes the tables.
"""

from typing import Any, NoReturn

from django.db import models

from queue_store.queue_schema import queue_schema
from queue_store.records.record import STATUSES

from .our_backends import queue_alias


class ReadOnlyError(Exception):
    """Somebody tried to write to the queue's tables through a model."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise ReadOnlyError(
        "the queue's tables are read-only here: enqueue a task, or use the admin's actions, queuectl or "
        "DistributedProcessor"
    )


class ReadOnlyQuerySet(models.QuerySet[Any]):
    """Each method that writes raises ReadOnlyError."""

    create = bulk_create = update = bulk_update = delete = get_or_create = update_or_create = _refuse


class QueueManager(models.Manager.from_queryset(ReadOnlyQuerySet)):  # type: ignore[misc]
    """Reads from the database that the backend writes to."""

    def get_queryset(self) -> Any:
        return super().get_queryset().using(queue_alias())


class QueueModel(models.Model):
    """A table of the queue."""

    objects = QueueManager()
    save = delete = _refuse  # type: ignore[assignment]

    class Meta:
        abstract = True


def _table(name: str) -> str:
    """The table's name with the queue's schema, so that the login's search path does not matter. Both names are
    quoted here, because Django would otherwise quote them as one name."""
    return f'"{queue_schema()}"."{name}"'


class Flow(QueueModel):
    """A registered flow. A Django task has one flow for each queue that the task may use."""

    flow_name = models.TextField(primary_key=True)
    celery_queue = models.TextField()
    batch_size = models.IntegerField()
    max_runs = models.IntegerField(null=True)
    max_retries = models.IntegerField()
    registered_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.TextField(null=True)
    ingestion_stopped_at = models.DateTimeField(null=True)
    ingestion_stop_reason = models.TextField(null=True)

    class Meta(QueueModel.Meta):
        managed = False
        db_table = _table("flows")
        ordering = ("flow_name",)

    def __str__(self) -> str:
        return str(self.flow_name)


class Record(QueueModel):
    """A record, such as a Django task that was enqueued."""

    id = models.BigIntegerField(primary_key=True)
    flow_name = models.TextField()
    status = models.TextField(choices=[(status, status) for status in STATUSES])
    priority = models.SmallIntegerField()
    payload = models.JSONField()
    result = models.JSONField(null=True)
    error_message = models.TextField(null=True)
    created_at = models.DateTimeField()
    scheduled_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    retry_count = models.IntegerField()
    crash_strikes = models.SmallIntegerField()
    claim_number = models.IntegerField()
    flow_instance_id = models.UUIDField(null=True)
    dedup_key = models.TextField(null=True)
    order_key = models.TextField(null=True)
    correlation_id = models.TextField(null=True)
    enqueued_by = models.TextField()

    class Meta(QueueModel.Meta):
        managed = False
        db_table = _table("processing_queue")
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.id} {self.flow_name}"


class Attempt(QueueModel):
    """An unsuccessful attempt to process a record."""

    pk = models.CompositePrimaryKey("record_id", "claim_number")
    record = models.ForeignKey(Record, models.DO_NOTHING, related_name="attempts", db_constraint=False)
    claim_number = models.IntegerField()
    attempt_number = models.IntegerField()
    flow_name = models.TextField()
    flow_instance_id = models.UUIDField()
    outcome = models.TextField()
    exception_type = models.TextField()
    error_message = models.TextField()
    error_group = models.TextField()
    traceback = models.TextField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField()

    class Meta(QueueModel.Meta):
        managed = False
        db_table = _table("record_attempts")
        ordering = ("record_id", "claim_number")


class Run(QueueModel):
    """The work of one worker process on one flow, from its registration to its end. A run owns the records that it
    claims."""

    flow_instance_id = models.UUIDField(primary_key=True)
    flow_name = models.TextField()
    worker_process_id = models.UUIDField()
    state = models.TextField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    records_claimed = models.BigIntegerField()
    records_completed = models.BigIntegerField()
    records_retried = models.BigIntegerField()
    records_failed = models.BigIntegerField()
    error_message = models.TextField(null=True)

    class Meta(QueueModel.Meta):
        managed = False
        db_table = _table("flow_execution_logs")
        ordering = ("-started_at",)


class AuditEntry(QueueModel):
    """An action of an operator."""

    id = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.TextField()
    action = models.TextField()
    target = models.TextField()
    affected_count = models.BigIntegerField()
    details = models.JSONField()
    login = models.TextField()

    class Meta(QueueModel.Meta):
        managed = False
        db_table = _table("audit_log")
        ordering = ("-id",)
        verbose_name_plural = "audit entries"
