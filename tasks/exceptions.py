"""What a handler raises to say something else than "this attempt failed", and what a wrong declaration raises."""

from collections.abc import Sequence


class PermanentError(Exception):
    """No further attempt can help: the record fails now, whatever attempts are left."""


class SnoozeRecord(Exception):  # noqa: N818  (a wish, not an error)
    """Process this record again after `delay_seconds`; no attempt is charged."""

    def __init__(self, delay_seconds: float) -> None:
        if not 0 <= delay_seconds <= 366 * 24 * 3600:
            raise ValueError(f"delay_seconds must be between 0 and a year, not {delay_seconds}")
        self.delay_seconds = float(delay_seconds)
        super().__init__(f"snoozed for {delay_seconds} s")


class RecordCancelled(Exception):  # noqa: N818  (an answer, not an error)
    """The handler gives up a record that was asked to stop: `FlowContext.raise_if_cancelled()` raises it."""


class TimeLimitExceededError(KeyboardInterrupt):
    """The attempt took longer than the flow's `time_limit_seconds`.

    A KeyboardInterrupt, because `except Exception` must not swallow it, and because psycopg sends a cancel to the
    server and leaves its connection usable for that one exception only.
    """


class HandlerEndedError(TimeLimitExceededError):
    """An operator ended the attempt. Retried like one that exceeded its time limit."""


class TransactionTimeoutError(Exception):
    """A one-COMMIT handler kept its transaction idle, or open, for longer than Postgres allows: the server ended the
    session. Retried like any failure."""


class FlowDeclarationError(Exception):
    """A flow is declared wrongly. Raised at import, never in the middle of a batch."""


class RunLostError(Exception):
    """This run was declared dead, or does not know what it owns: it must end, and rescue gives back the rest.

    `suspect_record_ids`: the records in whose handler the connection broke. They are treated as if they had killed
    their process, else one that breaks its connection each time would be tried without end.
    """

    def __init__(self, message: str, suspect_record_ids: Sequence[int] = ()) -> None:
        self.suspect_record_ids = suspect_record_ids
        super().__init__(message)
