"""Maps each flow of `flows.py` to the misuses that apply to it."""

from typing import Any

from tests.hostile.misuses import DEADLY, DRIVER, ENDLESS, LOOP, PROCESS, RETURNS, SQL

PLAIN = PROCESS | RETURNS
ON_CONNECTIONS = PROCESS | SQL | DRIVER
MODES: dict[str, dict[str, Any]] = {
    "plain": PLAIN | DEADLY | ENDLESS,
    "threads": PLAIN | {"a limit swallowed": ENDLESS["a limit swallowed"]},
    "asynchronous": PLAIN | LOOP | DEADLY,
    "batch": PROCESS,
    "with_connection": ON_CONNECTIONS,
    "with_session": ON_CONNECTIONS,
    "with_psycopg": ON_CONNECTIONS | RETURNS | DEADLY | ENDLESS,
    "with_async_connection": ON_CONNECTIONS | LOOP,
    "with_async_session": ON_CONNECTIONS,
    "with_async_psycopg": ON_CONNECTIONS | RETURNS | LOOP,
    "batch_with_psycopg": PROCESS | SQL | DRIVER,
    "express_with_psycopg": ON_CONNECTIONS | RETURNS,
    "express_with_async_psycopg": ON_CONNECTIONS | RETURNS | LOOP,
}
# How many innocent records come before and after each misuse. A flow becomes express after three batches of
# innocent records.
INNOCENTS = {mode: 20 if mode.startswith("express") else 1 for mode in MODES}
