"""What some of the handlers do wrong, as in tests/hostile."""

import time
from typing import Any

import psycopg

from tests.hostile.misuses import DRIVER, PROCESS, RETURNS, SQL

MISUSES = {
    "transfer": [*PROCESS, *RETURNS, *SQL, *DRIVER],
    "notice": [*PROCESS, *RETURNS],
}


def misuse(name: str, connection: "psycopg.Connection[Any] | None" = None) -> Any:
    for statement in SQL.get(name, []):
        assert connection is not None
        if statement == "SLEEP":
            time.sleep(0.3)
        else:
            connection.execute(statement.encode())
    if name in DRIVER:
        return DRIVER[name](connection)
    return (PROCESS | RETURNS).get(name, lambda: None)()
