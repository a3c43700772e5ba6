"""One function for each of the three statements that find records and claim them. Each function enqueues records that
its statement can claim, and returns their ids."""

from tests.support.store import Store


def from_the_position(store: Store, count: int) -> list[int]:
    """For arrows/claim.sql."""
    return store.enqueue(count)


def next_of_each_key(store: Store, count: int) -> list[int]:
    """For arrows/claim_next_of_each_key.sql. This statement is for flows in which most due records wait for an
    earlier record of their order key."""
    return [store.enqueue(1, order_key=f"key {number:04}")[0] for number in range(count)]


def suspects(store: Store, count: int) -> list[int]:
    """For arrows/claim_suspects.sql. If the flow has suspects, a run begins its first claim and every twentieth
    claim with this statement."""
    expected = store.enqueue(count)
    store.execute("UPDATE processing_queue SET batch_limit = %s WHERE id = ANY(%s)", (count, expected))
    return expected


WAYS = (from_the_position, next_of_each_key, suspects)
