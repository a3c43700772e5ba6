"""A list of alerts has at most 500 of them. The commands, the report and the Queue page say how many are left out."""

import pytest

from queue_store import DatabaseManager
from queue_store.alerting.alerts import ALERTS_AT_MOST
from queue_store.settings import ProcessorSettings
from tasks.queue_page.arguments import Arguments
from tasks.queue_page.views import VIEWS
from tasks.queue_page.views.request import ViewRequest
from tests.cli.test_cli import QueueCtl

ADD = """
INSERT INTO alerts (alert_key, code, level, message, next_step, raised_level, resolved_at)
SELECT prefix || n, 'waiting_work', 'warning', 'Late ' || prefix || n, 'look', 'warning', resolved
FROM (VALUES (%(prefix)s, %(age)s::interval)) AS given(prefix, age), LATERAL (SELECT now() - age AS resolved) ended,
    generate_series(1, %(count)s) AS n
"""


def add(database: DatabaseManager, prefix: str, count: int, age: str | None = None) -> None:
    with database.transaction() as cursor:
        cursor.execute(ADD, {"prefix": prefix, "count": count, "age": age})


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    return QueueCtl(database, monkeypatch)


def test_the_command_counts_what_it_leaves_out(queuectl: QueueCtl) -> None:
    add(queuectl.database, "open", ALERTS_AT_MOST + 2)
    add(queuectl.database, "resolved", 3, "1 day")
    add(queuectl.database, "forgotten", 5, "8 days")
    assert queuectl("alerts").stderr == "and 2 more alerts\n"
    assert queuectl("alerts", "--resolved").stderr == "and 5 more alerts\n"
    found = queuectl.json("alerts")
    assert (len(found), {alert["alert_count"] for alert in found}) == (500, {502})
    assert {alert["alert_count"] for alert in queuectl.json("alerts", "--resolved")} == {505}


def test_one_alert_is_left_out(queuectl: QueueCtl) -> None:
    add(queuectl.database, "open", ALERTS_AT_MOST + 1)
    assert queuectl("alerts").stderr == "and 1 more alert\n"


def test_a_complete_list_says_nothing(queuectl: QueueCtl) -> None:
    add(queuectl.database, "open", ALERTS_AT_MOST)
    add(queuectl.database, "resolved", 1, "1 day")
    assert queuectl("alerts").stderr == ""
    assert {alert["alert_count"] for alert in queuectl.json("alerts")} == {ALERTS_AT_MOST}
    assert "more alert" not in queuectl("top", "--times", 1).stdout


def test_the_report_counts_what_it_leaves_out(queuectl: QueueCtl) -> None:
    add(queuectl.database, "open", ALERTS_AT_MOST + 1)
    add(queuectl.database, "resolved", 2, "1 hour")
    for form in ("html", "markdown"):
        report = queuectl("report", "--format", form).stdout
        assert "503 alerts were open." in report
        assert "and 3 more alerts" in report
    document = queuectl.json("report")
    assert (len(document["alerts"]), document["alert_count"]) == (500, 503)


def test_the_live_table_counts_what_it_leaves_out(queuectl: QueueCtl) -> None:
    add(queuectl.database, "open", ALERTS_AT_MOST + 7)
    assert "and 7 more alerts: queuectl alerts" in queuectl("top", "--times", 1).stdout
    document = queuectl.json("top", "--times", 1)
    assert (len(document["alerts"]), document["alert_count"]) == (500, 507)


def test_the_queue_page_counts_what_it_leaves_out(database: DatabaseManager) -> None:
    add(database, "open", ALERTS_AT_MOST + 4)
    add(database, "resolved", 2, "1 hour")
    with database.transaction() as cursor:
        request = ViewRequest(cursor, ProcessorSettings(), Arguments({}), None)
        page, overview = VIEWS["alerts"](request), VIEWS["overview"](request)
    assert (len(page["live"]), page["left_out_count"]) == (500, 6)
    assert (len(overview["alerts"]), overview["alert_count"]) == (500, 504)
