"""A process that is frozen in the middle of a transaction must not hold up other processes for minutes."""

from typing import Any

from psycopg import Cursor

FROZEN_SECONDS = 3.0  # shorter than the lease of the leading beat


def limit_idle_in_transaction(cursor: Cursor[Any]) -> None:
    """Let the server end this session if it is idle in this transaction for longer than FROZEN_SECONDS. Call this at
    the beginning of a transaction that locks rows that other processes need."""
    milliseconds = str(int(FROZEN_SECONDS * 1000))
    cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (milliseconds,))
