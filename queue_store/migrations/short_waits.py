"""How a migration asks for a lock that keeps workers and producers waiting.

While an ALTER TABLE waits for its lock, all sessions that use the table later wait for the ALTER TABLE. So a
migration waits only for a moment. If the lock is not free by then, the migration rolls back, lets the other sessions
work, and tries again.
"""

import random
import time
from collections.abc import Iterator
from typing import Any

from queue_store.database.statements import sql
from queue_store.errors import SchemaVersionError

MOMENT_SECONDS = 0.05
# A pause is on average four times as long as the wait before it, so others wait for at most a fifth of the time.
PAUSE = 4
LONGER_AFTER_SECONDS = 60.0
LONGEST_SECONDS = 2.0  # most one-COMMIT slices are shorter: they take no record after half a second
GIVE_UP_AFTER_SECONDS = 300.0
FOR_VACUUM = "5s"


def waits(driver: Any, say: Any) -> Iterator[float]:
    """Yields how many seconds each try may wait for a lock, until the caller stops asking. The first waits last
    `MOMENT_SECONDS`. After a minute without success, the waits become longer, and `say` reports each longer wait.
    Raises SchemaVersionError after `GIVE_UP_AFTER_SECONDS`."""
    began, seconds = time.monotonic(), MOMENT_SECONDS
    while (passed := time.monotonic() - began) < GIVE_UP_AFTER_SECONDS:
        yield seconds
        # The random factor keeps the tries out of step with transactions that come at regular times.
        time.sleep(PAUSE * seconds * random.uniform(0.5, 1.5))  # noqa: S311
        if passed > LONGER_AFTER_SECONDS:
            seconds = min(2 * seconds, LONGEST_SECONDS)
            say("the migration did not get its lock: the next try may make others wait for %.1f s; in the way: %s",
                seconds, _in_the_way(driver))  # fmt: skip
    raise SchemaVersionError(
        f"the migration did not get its lock in {GIVE_UP_AFTER_SECONDS:.0f} s. "
        f"The oldest transactions that are in the way: {_in_the_way(driver)}. End them, then migrate again"
    )


def let_vacuum_go(driver: Any) -> None:
    """Take a lock that blocks vacuum, but no reader or writer. The statement waits for longer than a
    moment, because Postgres cancels an autovacuum only for a session that has waited for a second."""
    if driver.execute(sql("migration/has_queue")).fetchone() != (True,):
        return
    [moment] = driver.execute("SELECT current_setting('lock_timeout')").fetchone()
    driver.execute(f"SET LOCAL lock_timeout = '{FOR_VACUUM}'")
    driver.execute(sql("migration/lock_out_vacuum"))
    driver.execute(f"SET LOCAL lock_timeout = '{moment}'")


def _in_the_way(driver: Any) -> str:
    rows = driver.execute(sql("migration/in_the_way")).fetchall()
    driver.rollback()
    return "; ".join(row[0] for row in rows) or "they have just ended"
