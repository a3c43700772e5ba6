"""The errors of this package, one class for each way in which a caller can react. Every message says what is wrong
and what to do next."""

from queue_store.plural import plural, word


class QueueStoreError(Exception):
    """Any error of this package."""


class SettingsError(QueueStoreError):
    """Settings are missing or wrong. The message names every missing or wrong setting, but contains no secret."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = list(dict.fromkeys(problems))
        super().__init__(
            "\n".join(["The settings are wrong:", *(f"  {problem}" for problem in self.problems)])
        )


class DatabaseUnavailableError(QueueStoreError):
    """The database cannot be reached or used, or the connection broke before COMMIT: nothing was written. But if an
    asynchronous transaction raises this error, it is unknown whether the COMMIT has happened."""


class ConnectionLimitError(DatabaseUnavailableError):
    """The server is running, but accepts no connection. The connection limit of the server, the database or the
    login is reached."""


class ReadOnlyServerError(DatabaseUnavailableError):
    """The server answers but takes no writes, because it is a standby or was set read-only. Nothing was written."""


class CommitUnknownError(DatabaseUnavailableError):
    """The connection broke during a COMMIT, so it is unknown whether the COMMIT has happened. Read the rows again to
    see whether they were written. On a connection in autocommit mode, each call that enqueues also commits, so it can
    raise this error."""


class ConflictError(QueueStoreError):
    """Nothing was written, and the same call can be made again. In a transaction of your own, roll back first, and
    repeat the whole transaction. The cause is a deadlock, a serialisation failure, a lock that was not released in
    time, or another processing record with the same order_key."""


class SchemaVersionError(QueueStoreError):
    """This code cannot work on the schema of the database, or cannot migrate it: usually the schema is older or newer
    than this code."""


class ClaimLostError(QueueStoreError):
    """This run no longer owns a record under the claim number with which the run claimed it."""

    def __init__(self, record_ids: list[int]) -> None:
        self.record_ids = record_ids
        shown = ", ".join(str(record_id) for record_id in record_ids[:10])
        super().__init__(
            f"{plural(len(record_ids))} {word(len(record_ids), 'belongs', 'belong')} to another claim now: {shown}"
        )


class PayloadRejectedError(QueueStoreError):
    """A record cannot be stored as given. `field` names the place, and `problem` the reason."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class UnknownFlowError(QueueStoreError):
    """No flow of this name is registered."""


class RegisteredFlowError(QueueStoreError):
    """The caller gave the name of a registered flow to a call that accepts only names that are not registered."""


class DuplicateRecordError(QueueStoreError):
    """An unfinished record of this flow already has the same dedup_key, or another record has the same task id."""


class IngestionStoppedError(QueueStoreError):
    """An operator stopped ingestion, for this flow or for all."""


class UnknownRecordError(QueueStoreError):
    """There is no record with this id."""


class TooManyMatchesError(QueueStoreError):
    """More attempts ended with this kind of error than one search may read."""


class UnknownRunError(QueueStoreError):
    """There is no run with this id."""


class MaintenanceError(QueueStoreError):
    """The same maintenance is running already, or this execution was declared abandoned."""


class AlreadyRunningError(MaintenanceError):
    """The same maintenance is running already. Repeat the call later."""


class NotFinishedError(QueueStoreError, TimeoutError):
    """A record for which the caller waits was not finished within the timeout."""


class BackupError(QueueStoreError):
    """A backup cannot be written, or cannot be restored into this database."""
