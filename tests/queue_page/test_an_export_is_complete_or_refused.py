"""An export holds every record that matches the search, or it is refused. A search that looks only at the newest
runs or attempts may miss records."""

from uuid import uuid4

import orjson
import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.readings import record_candidates, records
from tasks.queue_page.arguments import BadInputError
from tests.queue_page.test_queue_page_filters import COMPLETED, FAILED, Queue
from tests.support import filling
from tests.support.page_actions import exported, use

REFUSED = "and there are more: search for one run, for one flow, or for a text in the error"


@pytest.fixture
def queue(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A search looks at no more than 5 attempts and 3 runs."""
    use(database, monkeypatch)
    for module in (record_candidates, records):
        monkeypatch.setattr(module, "RECORDS_AT_MOST", 5)
    monkeypatch.setattr(record_candidates, "RUNS_AT_MOST", 3)
    return Queue(database)


def count(**asked: str) -> int:
    return len(orjson.loads(exported(**asked)))


def refused(**asked: str) -> None:
    with pytest.raises(BadInputError, match=REFUSED):
        exported(**asked)


def test_a_kind_of_error(queue: Queue) -> None:
    queue.add(FAILED, queue.runs[0], 5)
    assert count(group="E: gone") == 5
    filling.add_flow(queue.database, "beta")
    queue.add(FAILED, queue.runs[0], 1, flow="beta")
    refused(group="E: gone")
    assert count(group="E: gone", flow="alpha") == 5
    assert count(error="gone") == count(status="failed") == 6


@pytest.mark.parametrize("status", [{}, {"status": "failed"}])
def test_the_attempts_of_a_run(queue: Queue, status: dict[str, str]) -> None:
    asked = {"run": str(queue.runs[0]), **status}
    queue.add(COMPLETED, queue.runs[0], 10)
    queue.add(FAILED, queue.runs[0], 5)
    assert count(**asked) == (5 if status else 15)
    queue.add(FAILED, queue.runs[0], 1)
    refused(**asked)


def test_the_records_that_a_run_is_processing(queue: Queue) -> None:
    run = str(queue.runs[0])
    filling.add_processing(queue.database, 5, queue.runs[0])
    assert count(run=run, status="processing") == 5
    filling.add_processing(queue.database, 1, queue.runs[0])
    refused(run=run, status="processing")
    assert count(run=run) == 6


def test_the_runs_of_a_worker(queue: Queue) -> None:
    for _ in range(2):
        filling.add_run(queue.database, worker_process_id=queue.first)
    queue.add(FAILED, queue.runs[0], 1)
    assert count(worker="one") == 1
    newest = filling.add_run(queue.database, worker_process_id=queue.first)
    refused(worker="one")
    assert count(worker="one", run=str(newest)) == 0
    refused(worker="one", run=str(uuid4()))
