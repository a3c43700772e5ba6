"""The pages name a handler that hangs. An operator can end the handler on the page of its record, but only
while the record has the claim that the page showed."""

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.browser import Browser
from tests.support.page_actions import do, use
from tests.support.page_browser import MARKS, SHOWN, SIZES, browser, confirm, one, page_url, shared_browser
from tests.support.page_data import fill

__all__ = ["browser", "page_url", "shared_browser"]

HANGS = """
UPDATE worker_processes w
SET in_hand_record_id = q.id, in_hand_claim_number = q.claim_number, in_hand_since = now() - interval '20 minutes',
    in_hand_flow_name = q.flow_name, in_hand_run_id = q.flow_instance_id
FROM processing_queue q JOIN flow_execution_logs r ON r.flow_instance_id = q.flow_instance_id
WHERE r.worker_process_id = w.worker_process_id
    AND q.id = (SELECT min(id) FROM processing_queue WHERE status = 'processing')
RETURNING q.id
"""
ASKED = (
    "SELECT end_record_id || ' by ' || end_requested_by || ': ' || end_reason FROM worker_processes"
    " WHERE end_record_id IS NOT NULL"
)


def hang(database: DatabaseManager) -> int:
    return int(one(database, HANGS))


@pytest.fixture
def queue(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> DatabaseManager:
    fill(database, count=120, minutes=2)
    use(database, monkeypatch)
    return database


def test_the_action_asks_the_process_and_leaves_an_audit_row(queue: DatabaseManager) -> None:
    record_id = hang(queue)
    claim = one(queue, f"SELECT claim_number FROM processing_queue WHERE id = {record_id}")  # noqa: S608
    late = do("end", id=record_id, claim=claim + 1)
    assert late == {
        "affected": 0,
        "text": f"Nothing was ended: its claim number is {claim} now, not {claim + 1}.",
    }
    assert one(queue, ASKED) is None
    done = do("end", id=record_id, claim=claim, reason="hangs")
    assert done["affected"] == 1
    assert one(queue, ASKED) == f"{record_id} by ops: hangs"
    audited = "SELECT actor || ' ' || action || ' ' || target FROM audit_log ORDER BY id DESC LIMIT 1"
    assert one(queue, audited) == f"ops end handler record {record_id}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
class TestInABrowser:
    pytestmark = MARKS

    def test_it_is_named_on_its_page_and_ended_there(
        self, size: str, theme: str, browser: Browser, page_url: tuple[str, DatabaseManager]
    ) -> None:
        url, database = page_url
        browser.size(*SIZES[size])
        browser.theme(theme)
        record_id = hang(database)
        browser.open(url + "/queue/processes", SHOWN)
        assert f"record {record_id} since " in browser.run(
            "document.querySelector('#queue-view').textContent"
        )
        browser.open(f"{url}/queue/records/{record_id}", SHOWN)
        shown = browser.run("document.querySelector('#queue-view').textContent")
        assert "Its handler runs far longer than usual" in shown
        assert "Handler running since" in shown
        browser.click("End its handler")
        browser.run("document.querySelector('dialog input[name=reason]').value = 'hangs'; 0")
        assert "was asked to end the handler" in confirm(browser, "End its handler")
        assert str(one(database, ASKED)) == f"{record_id} by ops: hangs"
        browser.wait("document.querySelector('#queue-view').textContent.includes('End asked')")
        with database.transaction() as cursor:
            cursor.execute(
                "UPDATE worker_processes SET end_record_id = NULL, end_claim_number = NULL,"
                " end_requested_at = NULL, end_requested_by = NULL, end_reason = NULL"
            )
