"""The weekly reset leaves failed Celery tasks as they are, because only `retry` and `autoretry_for` repeat a task."""

from typing import Any

import pytest

from tasks.monitoring import distributed_system_maintenance
from tests.durable_tasks.conftest import Shop

DECLARED: dict[str, dict[str, Any]] = {
    "without options": {},
    "with retries for another error": {"autoretry_for": (ConnectionError,), "max_retries": 5},
    "repeated after a crash": {"acks_late": True},
}


@pytest.mark.parametrize("declared", DECLARED)
def test_a_failed_task_stays_failed(declared: str, shop: Shop) -> None:
    charged: list[int] = []

    @shop.task(**DECLARED[declared])
    def charge(order: int) -> None:
        charged.append(order)
        raise ValueError("the card was charged, and then this failed")

    charge.delay(17)
    shop.run(charge)
    assert (shop.row().status, shop.row().retry_count) == ("failed", 1)
    shop.worker.query("UPDATE processing_queue SET updated_at = now() - interval '8 days'")
    for dry_run in (True, False):
        results = distributed_system_maintenance(reset_failed_records=True, dry_run=dry_run)
        assert results["reset_results"]["records_reset"] == 0
    shop.run(charge)
    assert (shop.row().status, charged) == ("failed", [17])
