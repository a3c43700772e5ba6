"""With these fixtures, the test itself decides whether its flows are express, whatever the speed of the machine."""

from dataclasses import replace

import pytest

from tasks.worker import quick_batches
from tasks.worker.quick_batches import QuickBatches
from tests.support.express import Seen
from tests.support.flow_runs import Worker


@pytest.fixture
def seen(worker: Worker) -> Seen:
    return Seen(worker)


@pytest.fixture
def by_itself(worker: Worker) -> None:
    """Flows can become express without `express=True`."""
    services = worker.services
    services.settings = replace(services.settings, express_by_itself=True)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every flow that may be express is express at once. No slice is ever too long, however slow this machine is."""
    monkeypatch.setattr(QuickBatches, "are_enough", True)
    monkeypatch.setattr("tasks.run_loop.express.FEWEST_RECORDS", 1)
    monkeypatch.setattr("tasks.run_loop.express.LONG_SECONDS", 600.0)
    monkeypatch.setattr("tasks.run_loop.express_commit.LONG_SECONDS", 600.0)


@pytest.fixture
def never_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """No batch and no slice counts as long, however slow this machine is. Even a batch of one record is large enough
    for an express slice."""
    monkeypatch.setattr(quick_batches, "LONG_SECONDS", 600.0)
    monkeypatch.setattr("tasks.run_loop.express.FEWEST_RECORDS", 1)
    monkeypatch.setattr("tasks.run_loop.express.LONG_SECONDS", 600.0)
    monkeypatch.setattr("tasks.run_loop.express_commit.LONG_SECONDS", 600.0)


@pytest.fixture
def soon_long(at_once: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.run_loop.express.LONG_SECONDS", 0.05)
