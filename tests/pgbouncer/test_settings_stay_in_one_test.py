"""Behind PgBouncer, tests share sessions of the server. The cleaning before each test ends those sessions."""

import psycopg

from tests.pgbouncer.conftest import Pooled
from tests.support.cleaning import DatabaseCleaner


def test_a_setting_that_a_test_leaves_in_a_session_does_not_reach_the_next_test(pooled: Pooled) -> None:
    cleaner = DatabaseCleaner(pooled.url, pgbouncer=pooled.pgbouncer)
    cleaner.remember_seeds()
    with psycopg.connect(pooled.url, autocommit=True) as session:
        session.execute("SET lock_timeout = '1s'")
    cleaner.clean()
    with psycopg.connect(pooled.url, autocommit=True) as session:
        shown = {session.execute("SHOW lock_timeout", prepare=False).fetchone() for _ in range(20)}
    assert shown == {("0",)}
