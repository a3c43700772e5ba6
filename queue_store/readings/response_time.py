"""The time that the database needs for an answer."""

import time
from typing import Any

from psycopg import Cursor


def ping(cursor: Cursor[Any]) -> None:
    cursor.execute("SELECT 1")


def read_response_time_ms(cursor: Cursor[Any]) -> float:
    asked = time.monotonic()
    ping(cursor)
    return round((time.monotonic() - asked) * 1000, 2)
