"""The whole judgement: the queue, the system, the schedule and the broker; and the emergency that no database can
tell of."""

import time
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from queue_store.alerting import alerts
from queue_store.alerting.findings import Finding, by_severity
from queue_store.database import schema
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.enqueueing.hints import CeleryHintSender, connect
from queue_store.errors import DatabaseUnavailableError
from queue_store.readings.schedule import read_schedule
from queue_store.schedule.recurring import database_time
from queue_store.settings import ProcessorSettings

from ..app import app
from ..celery_hardening.quarantine import Note, news
from ..monitoring.connection_checks import note_success, remember_failure
from ..monitoring.databases import STATEMENT_SECONDS
from ..monitoring.rules import judge_apart, looks_at
from ..monitoring.rules.broker_rules import judge_quarantine
from ..monitoring.rules.schedule_rules import judge_schedule
from ..monitoring.snapshot import take_snapshot
from .deadline import call_with_deadline
from .sending import reachable_contacts, send_notifications
from .unreachable import UnreachableDatabase

TRIES = 3
TRY_AGAIN_SECONDS = 1.0
ANSWER_SECONDS = 30.0
BROKER_SECONDS = 2.0
CODES = (
    "success_rate",
    "processing_rate",
    "failed_records",
    "recent_failures",
    "orphaned_records",
    "endless_claims",
    "failing_claims",
    "backlog",
    "rate_below_usual",
    "all_workers_gone",
    "flow_not_served",
    "busy_processors",
    "full_memory",
    "worker_deaths",
    "response_time",
    "pool_utilization",
    "server_connections",
    "idle_in_transaction",
    "held_snapshot",
    "corruption",
    "wrong_counts",
    "lost_evidence",
    "beat_silent",
    "broker_unreachable",
    "messages_set_aside",
    "maintenance_late",
    "maintenance_failed",
    "counts_corrected",
    "rule_failed",
)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`notices_sent` is None where nobody was to be told."""

    findings: list[Finding]
    notices_sent: int | None = None


def judge_everything(database: DatabaseManager, settings: ProcessorSettings, *, notify: bool) -> Judgement:
    """Never raises for a database that cannot be reached or does not answer: that is a finding, and the contacts hear
    of it. Raises SchemaVersionError where there is nothing to judge yet."""
    try:
        judged_at, findings = _with_patience(database, settings)
        if not notify:
            return Judgement(findings)
        with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
            alerts.update(cursor, findings, _judged_codes(findings), reachable_contacts(settings), judged_at)
    except DatabaseUnavailableError as error:
        remember_failure(database.name, TRIES)
        return report_unreachable(database, settings, error, notify=notify)
    UnreachableDatabase(database, settings).is_back()
    return Judgement(findings, send_notifications(database, settings))


def _judged_codes(findings: list[Finding]) -> tuple[str, ...]:
    """While a rule fails nobody knows whether its trouble is over: no alert is resolved."""
    return () if any(finding.code == "rule_failed" for finding in findings) else CODES


def _with_patience(database: DatabaseManager, settings: ProcessorSettings) -> tuple[datetime, list[Finding]]:
    """One broken connection is not an emergency."""
    for attempt in range(TRIES):
        try:
            return call_with_deadline(ANSWER_SECONDS, partial(_judge, database, settings, attempt + 1))
        except DatabaseUnavailableError:
            if attempt == TRIES - 1:
                raise
            time.sleep(TRY_AGAIN_SECONDS)
    raise AssertionError("unreachable")


def _judge(
    database: DatabaseManager, settings: ProcessorSettings, attempt: int
) -> tuple[datetime, list[Finding]]:
    """When the judging began, and what it found."""
    _refuse_old_schema(database)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        judged_at = database_time(cursor)
    snapshot = take_snapshot(database, settings)
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        schedule = read_schedule(cursor)
    note_success(database, attempt, snapshot.response_time_ms)
    reachable, notes = _look_at_broker()
    findings = judge_apart(
        [
            *looks_at(snapshot),
            ("schedule", lambda: judge_schedule(schedule, broker_is_reachable=reachable)),
            ("quarantine", lambda: judge_quarantine(notes)),
        ]
    )
    return judged_at, by_severity(findings)


def _refuse_old_schema(database: DatabaseManager) -> None:
    """While a newer version is deployed, this code judges the newer schema."""
    with database.hold():
        current = schema.current_version(database.engine)
    if current is None or current in schema.known_versions():
        schema.check_version(database)


def _look_at_broker() -> tuple[bool, list[Note]]:
    """Whether it can be reached, and what was set aside there lately."""
    if not app.conf.broker_url:
        return False, []
    try:
        client = connect(app.conf.broker_url)
    except ValueError:  # not Redis
        return _broker_connects(), []
    reachable = CeleryHintSender(app).is_broker_reachable()
    return reachable, news(client) if reachable else []


def _broker_connects() -> bool:
    try:
        with app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    except Exception:  # noqa: BLE001  (kombu raises what its transport raises)
        return False
    return True


def report_unreachable(
    database: DatabaseManager, settings: ProcessorSettings, error: DatabaseUnavailableError, *, notify: bool
) -> Judgement:
    finding = Finding(
        "database_unreachable",
        "emergency",
        f"The database {database.name} cannot be reached.",
        f"{error} See docs/runbook.md, Critical system failure.",
    )
    sent = UnreachableDatabase(database, settings).is_gone(finding) if notify else None
    return Judgement([finding], sent)
