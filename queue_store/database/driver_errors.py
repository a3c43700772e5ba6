"""Translates driver errors: the SQLSTATE of a psycopg or SQLAlchemy error decides what the error means to the caller.

All connections use this translator: synchronous and asynchronous ones, ours and those of producers. So the meaning of
each SQLSTATE is defined in one place. The codes are listed in appendix A of the PostgreSQL manual.
"""

import psycopg

from queue_store.database.refused_logins import advice_on_login
from queue_store.database.sqlalchemy_kinds import known_kinds
from queue_store.database_url import Address, addresses
from queue_store.errors import (
    CommitUnknownError,
    ConflictError,
    ConnectionLimitError,
    DatabaseUnavailableError,
    DuplicateRecordError,
    IngestionStoppedError,
    PayloadRejectedError,
    QueueStoreError,
    ReadOnlyServerError,
    SchemaVersionError,
)
from queue_store.queue_schema import queue_schema, role_name

RUNNING_KEY = "processing_queue_running_key"  # at most one record of each order_key is processing
DEDUP_KEY = "processing_queue_dedup"
INGESTION_STOPPED = "PQ001"
COMMIT_REFUSED = "PQ002"  # `enqueue_record` uses the same code for an unknown flow
REFUSES_COMMIT = "refuse_to_commit_an_open_slice"  # the function of a trigger of the table open_slices
UNSAFE_SCHEMA = "PQ003"
CONFLICTS = ("40001", "40P01")  # a serialization failure or a deadlock: the server has undone the transaction
LOCK_NOT_AVAILABLE = "55P03"
IDLE_IN_TRANSACTION = "25P03"
ENDED_SESSIONS = (IDLE_IN_TRANSACTION, "25P04")  # 25P04: a transaction that lasted too long
NO_SUCH_SAVEPOINT = "3B001"
STATEMENT_CANCELLED = "57014"
READ_ONLY = "25006"  # the server or only this session is read-only: `read_only` finds out which
UNAVAILABLE_CLASSES = ("08", "28", "53", "57", "58")  # connection, login, resources, operators, the system
BROKEN_CONNECTIONS = (None, "08000", "08003", "08006", "57P01", "57P02", "57P03", "57P04", "57P05")
ENDS_THE_SESSION = ("FATAL", "PANIC")  # severities
REJECTED_VALUES = ("22003", "22007", "22008", "22009", "22021", "22P02", "22P05", "23514")
MISSING_OBJECTS = ("42P01", "42883")
INSUFFICIENT_PRIVILEGE = "42501"

TOO_MANY_CONNECTIONS = "53300"
# The driver gives no SQLSTATE for a refused connection, so these texts of Postgres and PgBouncer identify the
# reason.
NOT_LET_IN = (
    "too many clients",
    "too many connections",
    "connection slots are reserved",
    "no more connections allowed",
)

TAKES_NO_WRITES = (
    "this server takes no writes (it is a standby, or was set to read-only, often because its disk is full)"
)
REFUSES_PARAMETERS = "unsupported startup parameter: options"  # the message of PgBouncer
NAME_THE_POOLER = (
    "PgBouncer is in front of the database: set <ENVIRONMENT>_GLOBAL_<DATABASE>_PGBOUNCER=true, for example "
    "DEVELOPMENT_GLOBAL_RPA_DB_PGBOUNCER=true, and take `options` out of the URL."
)
LOOK_FOR_IT = "it is unknown whether the record was written: look for it before you enqueue it again"
CHECK_CONNECTION = (
    "Check that the URL is right, that Postgres runs there, and that no firewall blocks the connection."
)
LET_IT_READ = (
    "If this happens often, set hot_standby_feedback or a longer max_standby_streaming_delay on the replica."
)
ADVICE = {  # by SQLSTATE
    "53100": "Nothing was written. Free some disk space on the server's host.",
    TOO_MANY_CONNECTIONS: "Close connections that nobody needs, put a pooler in front, or raise the limit: "
    "max_connections, or the CONNECTION LIMIT of the login or the database. A superuser is still let in and sees who "
    "holds them: SELECT datname, usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2, 3 ORDER BY 4 "
    "DESC.",
    "53200": "The server's host is out of memory: give it more memory, or process less data at once.",
}


def database_errors() -> tuple[type[Exception], ...]:
    """The errors of psycopg, and the errors of SQLAlchemy that wrap them."""
    return (psycopg.Error, *known_kinds("sqlalchemy.exc", "DBAPIError"))


def errors_without_a_connection() -> tuple[type[Exception], ...]:
    """The errors that psycopg and SQLAlchemy's own pool raise when they cannot get a connection."""
    return (psycopg.OperationalError, *known_kinds("sqlalchemy.exc", "SQLAlchemyError"))


def cause_of(error: BaseException) -> BaseException:
    """The driver's error that SQLAlchemy wrapped, or the error itself."""
    wrapped = getattr(error, "orig", None) if isinstance(error, database_errors()) else None
    return wrapped if isinstance(wrapped, BaseException) else error


def sqlstate_of(error: BaseException) -> str | None:
    cause = cause_of(error)
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def is_refused_commit(error: BaseException) -> bool:
    """Whether the server refused a COMMIT because a one-COMMIT slice is open."""
    cause = cause_of(error)
    if not isinstance(cause, psycopg.Error) or cause.sqlstate != COMMIT_REFUSED:
        return False
    return REFUSES_COMMIT in (cause.diag.context or "")


def is_conflict(error: BaseException) -> bool:
    """Returns True if the server rolled back the transaction because of a serialization failure or a deadlock. The
    caller can then repeat the transaction."""
    return sqlstate_of(error) in CONFLICTS


def translated(error: BaseException, url: Address) -> QueueStoreError | None:
    """Translates a driver's error in one of the queue's own sessions into a QueueStoreError, or returns None.

    After a DatabaseUnavailableError the session must not be used again.
    """
    cause = cause_of(error)
    if not isinstance(cause, psycopg.Error):
        return None
    if is_conflict(cause) or cause.sqlstate == LOCK_NOT_AVAILABLE:
        return ConflictError(f"{type(cause).__name__}: nothing was written, call again")
    if _constraint(cause) == RUNNING_KEY:
        return ConflictError(
            "another record with the same order_key is running: nothing was written, call again"
        )
    if cause.sqlstate == INGESTION_STOPPED:
        return IngestionStoppedError(str(cause.diag.message_primary))
    if cause.sqlstate == UNSAFE_SCHEMA:
        return QueueStoreError(f"{cause.diag.message_primary}: {cause.diag.message_hint}")
    if _is_unavailable(cause):
        return unavailable(url, cause)
    return None


def translated_for_producer(error: BaseException, *, commits: bool = False) -> QueueStoreError | None:
    """Translates an error on a producer's connection into a QueueStoreError, or returns None. `commits`: whether the
    failed statement would also have committed."""
    cause = cause_of(error)
    if not isinstance(cause, psycopg.Error):
        return None
    message = cause.diag.message_primary or " ".join(str(cause).split())[:200]
    if is_conflict(cause) or cause.sqlstate == LOCK_NOT_AVAILABLE:
        return ConflictError(f"{message}: roll back, and repeat the transaction")
    if _connection_broke(cause) and commits:
        return CommitUnknownError(f"the connection broke ({message}): {LOOK_FOR_IT}")
    if _connection_broke(cause):
        return DatabaseUnavailableError(f"the connection broke before COMMIT: {message}")
    return _refusal(cause, message)


def _refusal(error: psycopg.Error, message: str) -> QueueStoreError | None:
    if error.sqlstate == INGESTION_STOPPED:
        return IngestionStoppedError(f"{message}. {error.diag.message_hint or ''}".strip())
    if _constraint(error) == DEDUP_KEY:
        return DuplicateRecordError(f"an unfinished record has the same key: {error.diag.message_detail}")
    if error.sqlstate in REJECTED_VALUES:
        return PayloadRejectedError(error.diag.constraint_name or "record", message)
    if error.sqlstate in MISSING_OBJECTS:
        return SchemaVersionError(f"{message}: run `queuectl migrate`")
    if error.sqlstate == INSUFFICIENT_PRIVILEGE and error.diag.message_hint:  # our hint says what to do
        return QueueStoreError(f"{message}. {error.diag.message_hint}")
    if error.sqlstate == INSUFFICIENT_PRIVILEGE:
        return QueueStoreError(
            f"{message}: this login needs the role {role_name('producer')}; enqueue_many with ids, or with duplicates "
            f"to skip or replace, needs the role {role_name('admin')}"
        )
    return None


def unavailable(url: Address, error: BaseException) -> DatabaseUnavailableError:
    """Returns an error that says, in one line and without the password, which server cannot be used, and why."""
    reason, state = _reason(url, error), sqlstate_of(error) or ""
    if any(text in reason for text in NOT_LET_IN):
        state = TOO_MANY_CONNECTIONS
    kind = ConnectionLimitError if state == TOO_MANY_CONNECTIONS else DatabaseUnavailableError
    if REFUSES_PARAMETERS in reason:
        advice = NAME_THE_POOLER
    else:
        advice = ADVICE.get(state) or advice_on_login(url, reason) or CHECK_CONNECTION
    return kind(f"{_place(url)} cannot be used: {reason}. {advice}")


def reading_cancelled(url: Address, error: BaseException) -> DatabaseUnavailableError:
    """The error to raise if a replica cancels a reading: because of changes from the primary, or because the reading
    has waited too long for a lock."""
    advice = f" {LET_IT_READ}" if is_conflict(error) else ""
    return DatabaseUnavailableError(
        f"{_place(url)} cannot be used: the replica cancelled this reading ({_reason(url, error)}).{advice}"
    )


def server_takes_no_writes(url: Address) -> ReadOnlyServerError:
    """The error to raise for READ_ONLY if the whole server is read-only, and not only this session."""
    return ReadOnlyServerError(
        f"{_place(url)} cannot be used: {TAKES_NO_WRITES}. Point the URL to the primary. If this server "
        "is the primary, free some disk space, and then make it writable again (default_transaction_read_only)."
    )


def _reason(url: Address, error: BaseException) -> str:
    reason = " ".join(str(cause_of(error)).split())[:600].rstrip(".?")
    for secret in (url.password, url.query.get("password")):
        reason = reason.replace(str(secret), "***") if secret else reason
    return reason


def _place(url: Address) -> str:
    return f"the database {url.database} at {addresses(url)}"


def _constraint(error: psycopg.Error) -> str | None:
    is_ours = error.sqlstate == "23505" and error.diag.schema_name in (None, queue_schema())
    return error.diag.constraint_name if is_ours else None


def _is_unavailable(error: psycopg.Error) -> bool:
    """The class OperationalError alone does not mean that the server is unavailable: psycopg also raises it for
    other answers, such as a missing savepoint."""
    state = error.sqlstate
    if state in ENDED_SESSIONS or _is_out_of_step(error):
        return True
    is_operational = isinstance(error, psycopg.OperationalError)
    return is_operational and (state is None or state[:2] in UNAVAILABLE_CLASSES)


def _connection_broke(error: psycopg.Error) -> bool:
    """The class OperationalError alone does not mean that the connection broke: psycopg also raises it for other
    answers, such as a full disk. A producer gets the error of a full disk unchanged.

    A timeout that ends the session counts as a broken connection, although psycopg raises an error of another class
    for that timeout. An error of the severity FATAL or PANIC counts as a broken connection, too. The SQLSTATE 08P01
    alone proves nothing: PgBouncer ends sessions with 08P01, but Postgres also uses it for errors in one statement."""
    is_operational = isinstance(error, psycopg.OperationalError) and error.sqlstate in BROKEN_CONNECTIONS
    has_ended = error.sqlstate in ENDED_SESSIONS or _severity(error) in ENDS_THE_SESSION
    return is_operational or has_ended or _is_out_of_step(error)


def _severity(error: psycopg.Error) -> str | None:
    """PgBouncer sends no `severity_nonlocalized`, but only `severity`."""
    return error.diag.severity_nonlocalized or error.diag.severity


def _is_out_of_step(error: psycopg.Error) -> bool:
    """True if psycopg says "received 2 results from command 'COMMIT'". PgBouncer has then passed on two results at
    once, and the second says that the session has ended."""
    return isinstance(error, psycopg.InternalError) and error.sqlstate is None
