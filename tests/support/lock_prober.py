"""Measures how long writers of processing_queue had to wait for the lock that they need."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from tests.support.store import in_background

# One session takes the lock that an INSERT takes, releases it and sleeps, again and again. The session had the lock at
# both ends of each interval that it notes. So in each interval, another session can have held a conflicting lock for at
# most the length of the interval. The loop runs on the server and uses the server's clock, so that a busy client does
# not lengthen the intervals.
NOTES = "CREATE UNLOGGED TABLE lock_probes (had_before timestamptz, asked timestamptz, had timestamptz)"
PROBE = """
DO $$
DECLARE
    had_before timestamptz := clock_timestamp();
    asked timestamptz;
    had timestamptz;
BEGIN
    LOOP
        asked := clock_timestamp();
        LOCK TABLE processing_queue IN ROW EXCLUSIVE MODE;
        had := clock_timestamp();
        IF had - had_before > interval '3 ms' THEN
            INSERT INTO lock_probes VALUES (had_before, asked, had);
        END IF;
        had_before := had;
        COMMIT;
        PERFORM pg_sleep(0.001);
    END LOOP;
END $$
"""
LONGEST = """
SELECT coalesce(max(extract(epoch FROM had - asked)), 0)::float8,
    coalesce(max(extract(epoch FROM had - had_before)), 0)::float8
FROM lock_probes WHERE had >= to_timestamp(%s) AND had_before < to_timestamp(%s)
"""


@dataclass(frozen=True)
class Waits:
    """`longest_ms`: the longest wait of a writer. `bound_ms`: the longest time between two successive moments at which
    a writer had the lock."""

    longest_ms: float
    bound_ms: float


@contextmanager
def probed(url: str) -> Iterator[None]:
    """Until the end of the block, a session takes and releases the lock again and again."""
    with psycopg.connect(url, autocommit=True, application_name="prober") as connection:
        connection.execute(NOTES)
        connection.execute("SET synchronous_commit = off")
        probes = in_background(lambda: connection.execute(PROBE))
        try:
            yield
        finally:
            connection.cancel_safe()
            with suppress(psycopg.errors.QueryCanceled):
                probes.result(60)


def waits(url: str, began: float, ended: float) -> Waits:
    with psycopg.connect(url) as connection:
        row = connection.execute(LONGEST, [began, ended]).fetchone()
    assert row is not None
    return Waits(1000 * row[0], 1000 * row[1])
