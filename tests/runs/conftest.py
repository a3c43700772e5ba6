import pytest

from tests.support.store import Store


@pytest.fixture
def other(store: Store) -> Store:
    """A store with a second flow, `other`, which has three due records. `sample` has two."""
    store.add_flow("other")
    store.enqueue(2)
    store.enqueue(3, flow_name="other")
    return store
