"""The exceptions of handlers, attempts and runs, and the exception for a flow that is declared wrongly."""

from collections.abc import Sequence


class PermanentError(Exception):
    """No further attempt can help. The record fails now, even if it has attempts left."""


class SnoozeRecord(Exception):  # noqa: N818  (a wish, not an error)
    """Process this record again after `delay_seconds`. No attempt is charged."""

    def __init__(self, delay_seconds: float) -> None:
        if not 0 <= delay_seconds <= 366 * 24 * 3600:
            raise ValueError(f"delay_seconds must be between 0 and a year, not {delay_seconds}")
        self.delay_seconds = float(delay_seconds)
        super().__init__(f"snoozed for {delay_seconds} s")


class RecordCancelled(Exception):  # noqa: N818  (an answer, not an error)
    """The handler stops, because somebody asked to cancel its record. `FlowContext.raise_if_cancelled()` raises this
    exception."""


class TimeLimitExceededError(KeyboardInterrupt):
    """The attempt took longer than the flow's `time_limit_seconds`.

    This exception is a KeyboardInterrupt, because `except Exception` must not swallow it. After a KeyboardInterrupt,
    psycopg also cancels the statement on the server and keeps the connection usable. After an ordinary exception,
    psycopg does not cancel the statement, and the connection is not usable.
    """


class HandlerEndedError(TimeLimitExceededError):
    """An operator ended the attempt. The record is retried, as after TimeLimitExceededError."""


class TransactionTimeoutError(Exception):
    """The handler of a one-COMMIT flow kept its transaction idle, or open, for longer than Postgres allows. So the
    server ended the session. The record is retried as after any failure."""


class FlowDeclarationError(Exception):
    """A flow is declared wrongly. This error is raised at import, never in the middle of a batch."""


class RunLostError(Exception):
    """This run has ended, was declared dead, or does not know which records it owns. The run must do nothing more, and
    rescue gives back the run's records.

    `suspect_record_ids`: the records whose handlers were running when the connection broke. These records are treated
    as if they had killed their process. Otherwise a record whose handler breaks the connection each time would be tried
    again endlessly.
    """

    def __init__(self, message: str, suspect_record_ids: Sequence[int] = ()) -> None:
        self.suspect_record_ids = suspect_record_ids
        super().__init__(message)
