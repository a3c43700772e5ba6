"""An application's login needs the producer role to enqueue, and the worker role to read results."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from queue_store.database import roles
from queue_store.queue_schema import role_name
from tests.support.flow_runs import Worker


@pytest.fixture
def log_in(task_worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes Django connect with a login that has only the given role."""
    from django.db import connections

    roles.grant_roles(task_worker.services.database)

    def change(role: str) -> None:
        name = f"test_{role}"
        task_worker.query(
            f"DO $$ BEGIN CREATE ROLE {name} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        task_worker.query(f"GRANT {role_name(role)} TO {name}")
        connections["default"].close()
        monkeypatch.setitem(connections["default"].settings_dict, "USER", name)

    yield change
    connections["default"].close()


def test_a_producer_may_enqueue(shop: Any, log_in: Callable[[str], None], task_worker: Worker) -> None:
    log_in("producer")
    result = shop.add.enqueue(1)
    assert task_worker.statuses() == {"pending": 1}
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        shop.add.get_result(result.id)


def test_a_worker_may_read_results(shop: Any, log_in: Callable[[str], None]) -> None:
    result = shop.add.enqueue(1)
    log_in("worker")
    assert shop.add.get_result(result.id).status == "READY"
