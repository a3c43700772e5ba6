"""A fixture that grants the roles their rights, and creates logins."""

from collections.abc import Iterator

import pytest

from queue_store.database import roles
from tests.security.logins import Logins
from tests.support.store import Store


@pytest.fixture
def logins(store: Store, clean_database_url: str) -> Iterator[Logins]:
    roles.grant_roles(store.database)
    logins = Logins(store, clean_database_url)
    yield logins
    logins.close()
