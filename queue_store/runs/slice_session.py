"""The database session that our statements and a handler share in a one-COMMIT slice.

open         stores the session's settings, which no handler has changed yet; from here on, COMMIT is refused
may_be_over  after each record: says whether to call `renew`
renew        says whether the transaction is still the same one; if a handler called RESET ALL, refuses COMMIT again
put_back     before each record: restores the stored settings
close        before our own statements: resets the session, and says whether the transaction is still the same one
abandon      instead of `close`, before a rollback behind PgBouncer: releases the handler's advisory locks
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from psycopg.pq.abc import PGconn

from queue_store.database.statements import sql

Execute = Callable[[bytes, dict[str, Any] | None], Awaitable[list[tuple[Any, ...]]]]

# If one handler changes one of these settings, the change could harm the next handler. The roles come first, because
# the other settings may need their rights.
WATCHED_SETTINGS = (
    "session_authorization",
    "role",
    "search_path",
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "session_replication_role",
    "row_security",
    "TimeZone",
    "DateStyle",
    "IntervalStyle",
    "client_encoding",
    "standard_conforming_strings",
    "application_name",
)

MARK = b"default_transaction_read_only"  # see open_slice.sql


class SliceSession:
    """`execute` sends one statement and returns its rows, if it has any. `settings`: the names of settings to restore
    in addition to WATCHED_SETTINGS."""

    def __init__(
        self, execute: Execute, settings: Sequence[str] = (), idle_in_transaction_seconds: float | None = None
    ) -> None:
        self._execute = execute
        self._settings = settings
        self._idle_in_transaction_seconds = idle_in_transaction_seconds
        self._slice = self._transaction = self._kept = ""
        self._mark = b""

    async def open(self, run_parameters: dict[str, Any]) -> None:
        """Send the first statement of the transaction."""
        idle = self._idle_in_transaction_seconds
        names = dict.fromkeys((*WATCHED_SETTINGS, *self._settings))
        parameters = run_parameters | {
            "names": list(names),
            "idle_timeout": None if idle is None else f"{round(idle * 1000)}ms",
        }
        [row] = await self._execute(sql("runs/open_slice"), parameters)
        self._slice, self._transaction, mark, _, _, self._kept, _ = row
        self._mark = mark.encode()

    def may_be_over(self, pgconn: PGconn) -> bool:
        """Whether the mark of the transaction (the setting MARK) has changed, as it does when the transaction ends.
        This check costs no round trip, because Postgres reports each change of MARK to the client. But a handler can
        also change the mark itself. So after True, call `renew`, which finds out whether the transaction has really
        ended."""
        return pgconn.parameter_status(MARK) != self._mark

    async def renew(self) -> bool:
        """Restore the settings that a handler's RESET ALL removed, so that COMMIT is refused again. Returns False, and
        sets nothing, if a handler ended the transaction and began another one."""
        parameters = {
            "transaction": self._transaction,
            "slice": self._slice,
            "settings": self._kept,
            "mark": self._mark.decode(),
        }
        return bool(await self._execute(sql("runs/renew_slice"), parameters))

    async def put_back(self, and_then: bytes = b"") -> None:
        """Restore the settings. `and_then`: another statement to send in the same round trip."""
        statement = sql("runs/put_back_settings")
        await self._execute(statement + b";" + and_then if and_then else statement, None)

    async def close(self) -> bool:
        """Returns False if a handler ended the transaction and began another one. The caller must not write in the new
        transaction."""
        await self.reset()
        parameters = {"slice": self._slice, "transaction": self._transaction}
        return bool(await self._execute(sql("runs/close_slice"), parameters))

    async def abandon(self) -> None:
        """Release the advisory locks that a handler took for its session. ROLLBACK keeps a session's locks, and
        PgBouncer may give the next transaction another session. Call this only in an open or failed transaction, and
        roll back afterwards."""
        await self._execute(sql("runs/abandon_slice"), None)

    async def reset(self) -> None:
        """Remove the settings, temporary tables and locks that a handler left in the session."""
        await self._execute(sql("runs/reset_session"), None)
