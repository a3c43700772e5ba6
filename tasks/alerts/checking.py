"""One check judges the queue, stores the alerts, and sends the notifications."""

from dataclasses import dataclass

from queue_store.alerting import alerts, contacts, sentinel
from queue_store.alerting.findings import Finding
from queue_store.database import driver_errors
from queue_store.database.bounded_read import bounded_read
from queue_store.database.manager import DatabaseManager
from queue_store.errors import ConnectionLimitError, DatabaseUnavailableError, ReadOnlyServerError
from queue_store.settings import ProcessorSettings

from ..monitoring.connection_checks import note_success, remember_failure
from ..monitoring.connection_holders import last_known
from ..monitoring.databases import STATEMENT_SECONDS
from ..monitoring.rules import BROKER_CODES, JUDGED_CODES, RULE_FAILED
from .judging import TRIES, Judgement, judge_everything
from .sending import WORKER, send_notifications
from .unusable import TAKES_NO_WRITES, UNREACHABLE, UnusableDatabase, note_usable


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`notifications_sent`: how many notifications this check sent, or None with `notify=False`. Notifications which
    say that the database can be used again are not counted."""

    findings: list[Finding]
    notifications_sent: int | None = None


def check_queue(
    database: DatabaseManager, settings: ProcessorSettings, *, notify: bool, process_kind: str = WORKER
) -> CheckResult:
    """With `notify=False` this check neither stores alerts nor sends anything. `process_kind`: the kind of this
    process, which is stored with each contact to which this process has a channel. So operators see which kind of
    process can notify the contact.

    If the database cannot be reached, does not answer or takes no writes, this problem is the only finding. With
    `notify=True`, the contacts are notified of this finding. Raises SchemaVersionError if the schema must be
    migrated first.
    """
    try:
        judgement = judge_everything(database, settings, registers_as=process_kind if notify else None)
        if not judgement.takes_writes:
            raise driver_errors.server_takes_no_writes(database.settings.url)
        note_success(database, judgement.attempts, judgement.response_time_ms)
        if notify:
            _store_alerts(database, judgement)
    except ReadOnlyServerError as error:
        return report_unusable(database, settings, error, notify=notify)
    except DatabaseUnavailableError as error:
        remember_failure(database.name, TRIES)
        return report_unusable(database, settings, error, notify=notify)
    if not notify:
        return CheckResult(judgement.findings)
    note_usable(database, settings)
    return CheckResult(judgement.findings, send_notifications(database, settings))


def report_unusable(
    database: DatabaseManager, settings: ProcessorSettings, error: DatabaseUnavailableError, *, notify: bool
) -> CheckResult:
    takes_no_writes = isinstance(error, ReadOnlyServerError)
    if takes_no_writes and notify:  # the server answered, so it can be reached
        UnusableDatabase(database, settings, UNREACHABLE).is_back()
    finding = Finding(
        code=TAKES_NO_WRITES if takes_no_writes else UNREACHABLE,
        level="emergency",
        message=_what_is_wrong(database, settings, error),
        next_step=f"{error} See docs/runbook.md, "
        + ("The database takes no writes." if takes_no_writes else "The database cannot be reached."),
    )
    sent = UnusableDatabase(database, settings, finding.code).is_gone(finding) if notify else None
    return CheckResult([finding], sent)


def _what_is_wrong(
    database: DatabaseManager, settings: ProcessorSettings, error: DatabaseUnavailableError
) -> str:
    if isinstance(error, ReadOnlyServerError):
        return f"The database {database.name} cannot be used: {driver_errors.TAKES_NO_WRITES}."
    said = f"The database {database.name} cannot be reached"
    if not isinstance(error, ConnectionLimitError):
        return f"{said}."
    return f"{said}: its connections are used up. {last_known(settings, database.name)}"


def _store_alerts(database: DatabaseManager, judgement: Judgement) -> None:
    with bounded_read(database, timeout_seconds=STATEMENT_SECONDS) as cursor:
        contacts.forget_silent(cursor)
        left = BROKER_CODES if sentinel.is_another_process(cursor) else frozenset[str]()
        alerts.update(
            cursor,
            [finding for finding in judgement.findings if finding.code not in left],
            _judged_codes(judgement, left),
            judgement.judged_at,
            judgement.held_keys,
        )


def _judged_codes(judgement: Judgement, left: frozenset[str]) -> list[str]:
    """The codes whose alerts may be resolved. `left`: the codes that are left to the sentinel. Each process sees the
    broker over its own network. If several processes judged the broker, one of them could open an alert that another
    one resolves, again and again. If a rule raised an error, no alert may be resolved, because the problem that this
    rule looks for may still exist."""
    if any(finding.code == RULE_FAILED for finding in judgement.findings):
        return []
    unjudged = left if judgement.reads_broker else BROKER_CODES
    return [code for code in JUDGED_CODES if code not in unjudged]
