"""The misuses that some of the handlers commit, as in tests/hostile."""

import time
from typing import Any

import psycopg

from tests.hostile.misuses import DRIVER, PROCESS, RETURNS, SQL

ENDS_ITSELF = "ends itself"  # the application name in the log of Postgres
# After one handler of a slice executes `SET CONSTRAINTS`, Postgres cannot refuse a COMMIT that another handler
# executes. See docs/flows.md, "What a handler may do".
LETS_OTHERS_COMMIT = "SET CONSTRAINTS"

MISUSES = {
    "transfer": [name for name in (*PROCESS, *RETURNS, *SQL, *DRIVER) if name != LETS_OTHERS_COMMIT],
    "notice": [*PROCESS, *RETURNS],
    "letter": [*PROCESS, *RETURNS],
}


def misuse(name: str, connection: "psycopg.Connection[Any] | None" = None) -> Any:
    for statement in SQL.get(name, []):
        assert connection is not None
        if "pg_terminate_backend" in statement:
            connection.execute(f"SET LOCAL application_name = '{ENDS_ITSELF}'".encode())
        if statement == "SLEEP":
            time.sleep(0.3)
        else:
            connection.execute(statement.encode())
    if name in DRIVER:
        return DRIVER[name](connection)
    return (PROCESS | RETURNS).get(name, lambda: None)()
