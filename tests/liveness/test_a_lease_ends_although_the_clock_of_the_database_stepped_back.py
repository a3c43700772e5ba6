"""After a failover, the clock of the database can be behind the clock of the former primary. If the holder of a lease
died with the primary, another process takes the lease at once."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.liveness.worker_processes import take_sentinel_lease
from queue_store.schedule import occurrences

LEASE_SECONDS = 60.0
Take = Callable[[DatabaseManager, UUID], bool]


def lead(database: DatabaseManager, beat_id: UUID) -> bool:
    with database.transaction() as cursor:
        return occurrences.lead(cursor, beat_id, "host", 1, LEASE_SECONDS)[0]


def watch(database: DatabaseManager, process_id: UUID) -> bool:
    with database.transaction() as cursor:
        return take_sentinel_lease(cursor, process_id, LEASE_SECONDS)


def step_back(database: DatabaseManager, seconds: int) -> None:
    """Moves the ends of both leases, instead of the clock."""
    with database.transaction() as cursor:
        cursor.execute(
            "UPDATE beat_leader SET leads_until = leads_until + make_interval(secs => %(s)s),"
            " watches_until = watches_until + make_interval(secs => %(s)s)",
            {"s": seconds},
        )


@pytest.mark.parametrize("take", [lead, watch])
def test_a_lease_in_the_far_future_is_over(take: Take, database: DatabaseManager) -> None:
    holder, other = uuid4(), uuid4()
    assert take(database, holder)
    assert not take(database, other)
    step_back(database, 3_600)
    assert take(database, other)
    assert not take(database, holder)


@pytest.mark.parametrize("take", [lead, watch])
def test_a_small_step_takes_no_lease_away(take: Take, database: DatabaseManager) -> None:
    """Clocks that NTP keeps differ by less than a minute."""
    holder = uuid4()
    assert take(database, holder)
    step_back(database, 30)
    assert not take(database, uuid4())
    assert take(database, holder)


@pytest.mark.parametrize("take", [lead, watch])
def test_a_living_holder_keeps_its_lease(take: Take, database: DatabaseManager) -> None:
    holder = uuid4()
    assert take(database, holder)
    step_back(database, 3_600)
    assert take(database, holder)
    assert not take(database, uuid4())
