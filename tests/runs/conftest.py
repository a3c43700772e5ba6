import pytest

from tests.support.store import Store


@pytest.fixture
def other(store: Store) -> Store:
    store.add_flow("other")
    store.enqueue(2)
    store.enqueue(3, flow_name="other")
    return store
