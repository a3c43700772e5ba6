"""Tests that empty the queue of the same database take turns, for example under `pytest -n 2`."""

import time
from collections.abc import Generator
from contextlib import contextmanager

import psycopg

from queue_store.database.statements import sql
from queue_store.settings import parse_database_url

LOOK_SECONDS = 0.02


@contextmanager
def turn_of_a_test(database_url: str) -> Generator[None]:
    """Wait for this test's turn. A separate session holds an advisory lock during the turn, so the turn never
    outlasts the process."""
    url = parse_database_url(database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        while connection.execute(sql("maintenance/take_turn_of_tests")).fetchone() != (True,):
            time.sleep(LOOK_SECONDS)
        yield
