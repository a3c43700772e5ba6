"""Records can be searched by run, worker and kind of error. These searches use indexes, and never read the whole
table."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from queue_store.database.manager import DatabaseManager
from queue_store.database.statements import sql
from queue_store.errors import TooManyMatchesError
from queue_store.readings import records as records_module
from queue_store.readings.records import find_ids, find_records
from tasks.queue_page.arguments import Arguments, BadInputError
from tasks.queue_page.record_search import filter_of
from tests.support import filling
from tests.support.browser import Browser
from tests.support.page_actions import do, use
from tests.support.page_browser import MARKS, SIZES, browser, confirm, page_url, shared_browser
from tests.support.page_flower import RUN

__all__ = ["browser", "page_url", "shared_browser"]
IDS = "[...document.querySelectorAll('td[data-heading=Id]')].map((cell) => Number(cell.textContent))"
COMPLETED = """
INSERT INTO processing_queue (flow_name, status, claim_number, claimed_at, completed_at, flow_instance_id)
SELECT 'alpha', 'completed', 1, now(), now(), %(run)s FROM generate_series(1, %(count)s) RETURNING id
"""
FAILED = """
WITH added AS (
    INSERT INTO processing_queue (flow_name, status, claim_number, retry_count, error_message, flow_instance_id)
    SELECT %(flow)s, 'failed', 1, 1, 'gone', %(run)s FROM generate_series(1, %(count)s) RETURNING id, flow_name)
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group)
SELECT id, 1, 1, flow_name, %(run)s, 'failed', 'E', 'gone', %(group)s FROM added RETURNING record_id
"""


class Queue:
    """Two processes on two hosts, with a run each."""

    def __init__(self, database: DatabaseManager) -> None:
        self.database = database
        filling.add_flow(database)
        self.first = filling.add_worker_process(database, hostname="one", pid=11)
        self.second = filling.add_worker_process(database, hostname="two", pid=22)
        self.runs = [filling.add_run(database, worker_process_id=p) for p in (self.first, self.second)]

    def add(self, statement: str, run: UUID, count: int = 1, **more: Any) -> list[int]:
        values = {"flow": "alpha", "group": "E: gone", **more, "run": run, "count": count}
        with self.database.transaction() as cursor:
            filling.restore_rows(cursor)
            return [row[0] for row in cursor.execute(statement.encode(), values).fetchall()]

    def found(self, **asked: str) -> list[int]:
        with self.database.transaction() as cursor:
            return [record.id for record in find_records(cursor, filter_of(Arguments(asked))).records]


@pytest.fixture
def queue(database: DatabaseManager) -> Queue:
    return Queue(database)


def test_a_run_finds_what_it_completed_failed_and_has_claimed(queue: Queue) -> None:
    run, other = queue.runs
    mine = queue.add(COMPLETED, run, 3) + queue.add(FAILED, run, 2)
    queue.add(COMPLETED, other, 3)
    queue.add(FAILED, other, 2)
    filling.add_processing(queue.database, 4, run)
    everything = queue.found(run=str(run))
    assert set(mine) < set(everything)
    assert len(everything) == 9
    assert sorted(everything, reverse=True) == everything
    assert len(queue.found(run=str(run), status="processing")) == 4
    assert queue.found(run=str(run), status="failed") == sorted(mine[3:], reverse=True)
    assert queue.found(run=str(run), status="completed") == sorted(mine[:3], reverse=True)
    assert queue.found(run=str(uuid4())) == []


def test_a_record_that_was_retried_is_found_by_the_run_that_failed(queue: Queue) -> None:
    [record_id] = queue.add(FAILED, queue.runs[0])
    with queue.database.transaction() as cursor:
        cursor.execute(
            "UPDATE processing_queue SET status = 'pending', flow_instance_id = NULL, error_message = NULL"
        )
    assert queue.found(run=str(queue.runs[0])) == [record_id]
    assert queue.found(run=str(queue.runs[0]), status="pending") == [record_id]


def test_what_an_index_knows_stands_first_however_far_back(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    [record_id] = queue.add(FAILED, queue.runs[0])
    queue.add(COMPLETED, queue.runs[1], 300)
    with queue.database.transaction() as cursor:
        page = find_records(cursor, filter_of(Arguments({"run": str(queue.runs[0])})), look_at_most=100)
        assert [record.id for record in page.records] == [record_id]
        seen = 0
        while page.next_before_id is not None:
            asked = {"run": str(queue.runs[0]), "before_id": page.next_before_id}
            page = find_records(cursor, filter_of(Arguments(asked)), look_at_most=100)
            seen += len(page.records)
    assert seen == 0  # the record is not shown twice


def test_a_worker_is_named_by_host_by_pid_or_by_id(queue: Queue) -> None:
    mine = queue.add(COMPLETED, queue.runs[0], 2)
    queue.add(COMPLETED, queue.runs[1], 2)
    for worker in ("one", "11 on one", str(queue.first)):
        assert queue.found(worker=worker) == sorted(mine, reverse=True), worker
    for worker in ("12 on one", "three", str(uuid4()), "one' OR true --"):
        assert queue.found(worker=worker) == [], worker
    assert queue.found(worker="one", run=str(queue.runs[0])) == sorted(mine, reverse=True)
    assert queue.found(worker="one", run=str(queue.runs[1])) == []


def test_a_kind_of_error_finds_every_record_that_met_it(queue: Queue) -> None:
    mine = queue.add(FAILED, queue.runs[0], 120, group="E: mine")
    queue.add(FAILED, queue.runs[1], 30, group="E: other")
    seen: list[int] = []
    asked: dict[str, Any] = {"group": "E: mine"}
    with queue.database.transaction() as cursor:
        while True:
            page = find_records(cursor, filter_of(Arguments(asked)))
            assert not page.is_capped
            seen += [record.id for record in page.records]
            if page.next_before_id is None:
                break
            asked["before_id"] = page.next_before_id
    assert seen == sorted(mine, reverse=True)
    assert queue.found(group="E: mine", run=str(queue.runs[1])) == []
    assert len(queue.found(group="E: mine", run=str(queue.runs[0]), flow="alpha", status="failed")) == 50
    assert queue.found(group="E: mine", flow="beta") == []


def test_only_so_many_attempts_are_looked_at_and_that_is_said(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.add(FAILED, queue.runs[0], records_module.RECORDS_AT_MOST + 1)
    wanted = filter_of(Arguments({"group": "E: gone", "status": "failed"}))
    with queue.database.transaction() as cursor:
        assert find_records(cursor, wanted).is_capped
        monkeypatch.setattr(records_module, "ATTEMPTS_AT_MOST", 100)
        with pytest.raises(TooManyMatchesError, match="narrow the search by flow"):
            find_ids(cursor, wanted, 10_000)


def test_an_action_on_all_found_means_the_same_records(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    use(queue.database, monkeypatch)
    queue.add(FAILED, queue.runs[0], 3, group="E: mine")
    queue.add(FAILED, queue.runs[0], 4, group="E: other")
    queue.add(FAILED, queue.runs[1], 5, group="E: mine")
    for asked, count in (
        ({"group": "E: mine", "worker": "one"}, 3),
        ({"run": str(queue.runs[0])}, 4),
        ({"group": "E: mine"}, 5),
        ({"worker": "nobody"}, 0),
    ):
        assert do("reset", status="failed", **asked, dry_run=True)["affected"] == count, asked
        assert do("reset", status="failed", **asked)["affected"] == count, asked


@pytest.mark.parametrize("asked", [{"run": "17"}, {"run": "x" * 40}])
def test_what_is_no_run_is_said(asked: dict[str, str]) -> None:
    with pytest.raises(BadInputError, match="run must be an id such as"):
        filter_of(Arguments(asked))


PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "readings/record_ids_of_runs": ({"run_ids": [uuid4()], "limit": 5000}, "record_attempts_run"),
    "readings/record_ids_of_group": (
        {"error_group": "E: gone", "flow_name": None, "limit": 5000},
        "record_attempts_group",
    ),
    "readings/records_of_run": ({"flow_instance_id": uuid4(), "limit": 50}, "processing_queue_processing"),
    "readings/attempts_of_run": ({"flow_instance_id": uuid4(), "limit": 50}, "record_attempts_run"),
}


@pytest.fixture
def large(own_database_url: str) -> Iterator[DatabaseManager]:
    from tests.support.servers import connect

    database = connect(own_database_url)
    queue = Queue(database)
    for number in range(20):
        queue.add(FAILED, uuid4(), 500, group=f"E: {number}")
    with database.transaction() as cursor:
        cursor.execute("ANALYZE processing_queue, record_attempts, flow_execution_logs, worker_processes")
    yield database
    database.dispose()


def test_every_search_is_answered_by_an_index(large: DatabaseManager) -> None:
    for name, (parameters, index) in PLANS.items():
        with large.transaction() as cursor:
            cursor.execute(b"EXPLAIN " + sql(name), parameters, prepare=False)
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert index in plan, plan
        assert "Seq Scan on processing_queue" not in plan, plan
        assert "Seq Scan on record_attempts" not in plan, plan


class TestInTheBrowser:
    pytestmark = MARKS

    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize("size", SIZES)
    def test_records_are_filtered(
        self, size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        browser.size(*SIZES[size])
        browser.theme(theme)
        browser.open(f"{page_url[0]}/queue/runs/{RUN}", "document.querySelector('#queue-view dl')")
        browser.click("All its records")
        browser.wait(f"({IDS}).length > 5 && location.search.includes('run=')")
        assert browser.run("document.querySelector('[name=run]').value") == RUN
        of_run = browser.run(IDS)
        browser.open(page_url[0] + "/queue/records?worker=101%20on%20worker-1", f"({IDS}).length > 0")
        assert browser.run(IDS) == of_run
        browser.open(page_url[0] + "/queue/failures", "document.querySelector('#queue-view tbody a')")
        browser.click("KeyError: income is not among the answers")
        browser.click("Its records")
        browser.wait(f"({IDS}).length > 0 && location.search.includes('group=KeyError')")
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        if directory := os.environ.get("SCREENSHOTS"):
            browser.screenshot(Path(directory) / f"filters-{size}-{theme}.png")

    def test_all_of_a_kind_of_error_are_reset_from_the_list(
        self, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        browser.open(
            page_url[0]
            + "/queue/records?status=failed&group=KeyError%3A%20income%20is%20not%20among%20the%20answers",
            f"({IDS}).length > 0",
        )
        count = len(browser.run(IDS))
        browser.click("Reset all found")
        assert confirm(browser, "Reset all found") == f"{count} records are pending again."
        browser.open(page_url[0] + "/queue/records?run=17", "document.querySelector('.queue-trouble')")
        assert "run must be an id such as" in browser.run(
            "document.querySelector('#queue-trouble').textContent"
        )
        browser.problems.clear()  # the browser logs each refused request as a network error
