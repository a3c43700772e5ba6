"""The Queue page over HTTP: it shows what is there, changes what it is told to, and refuses everybody else."""

import base64
import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queue_store import rollups
from queue_store.database_manager import DatabaseManager
from tasks.queue_page.actions import ACTIONS
from tasks.queue_page.navigation import with_entry
from tasks.queue_page.urls import PAGES
from tasks.queue_page.views import VIEWS
from tests.flower_process import FlowerProcess, environment
from tests.page_data import fill
from tests.servers import PostgresServer, connect

SUBJECTS = {"overview": "/queue", "flow": "/queue/flows/thumbnail", "record": "/queue/records/2"}
PAGE_PATHS = [SUBJECTS.get(page, f"/queue/{page}") for page in PAGES.values()]
QUESTIONS = {"record": "?id=2", "flow": "?flow=thumbnail", "attempts": "?group=x"}
DATA_PATHS = [f"/queue/api/{view}{QUESTIONS.get(view, '')}" for view in VIEWS]


@pytest.fixture(scope="module")
def page_database_url(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    name = postgres_server.create_database(template=template_database)
    url = postgres_server.database_url(name)
    manager = connect(url)
    fill(manager)
    rollups.fold(manager)
    rollups.recount(manager)  # the filling changed statuses past the arrows
    manager.dispose()
    yield url
    postgres_server.drop_database(name)


@pytest.fixture
def page_database(page_database_url: str) -> Iterator[DatabaseManager]:
    manager = connect(page_database_url)
    yield manager
    manager.dispose()


@pytest.fixture(scope="module")
def flower(
    page_database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlowerProcess]:
    log = tmp_path_factory.mktemp("flower") / "flower.log"
    process = FlowerProcess(environment(page_database_url, redis_url), log)
    yield process.wait()
    process.stop()


def one(database: DatabaseManager, query: str) -> Any:
    with database.transaction() as cursor:
        row = cursor.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize("path", [*PAGE_PATHS, *DATA_PATHS, "/metrics"])
def test_every_page_and_view_answers(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path).status == 200, path


@pytest.mark.parametrize(
    "path",
    [
        *PAGE_PATHS,
        *DATA_PATHS,
        *("/queue/export.csv", "/queue/nothing", "/metrics"),
        *(
            "/",
            "/workers",
            "/tasks",
            "/broker",
            "/tasks/datatable",
            "/task/x",
            "/worker/x",
            "/api/workers",
            "/api/tasks",
        ),
    ],
)
def test_nobody_sees_anything_without_the_login(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path, login=False).status == 401
    wrong = {"Authorization": "Basic b3BzOndyb25n"}
    assert flower.ask(path, login=False, headers=wrong).status == 401


@pytest.mark.parametrize("credentials", ["é:é", "ops:é", "ops", ":", "\x00:\x00"])
@pytest.mark.parametrize(
    "path", ["/queue", "/queue/api/overview", "/queue/export.csv", "/workers", "/api/workers"]
)
def test_odd_credentials_are_wrong_ones(path: str, credentials: str, flower: FlowerProcess) -> None:
    odd = {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}
    assert flower.ask(path, login=False, headers=odd).status == 401
    assert flower.do("reset", {"ids": [1]}, login=False, headers=odd).status == 401


@pytest.mark.parametrize("action", ACTIONS)
def test_nobody_changes_anything_without_the_login(action: str, flower: FlowerProcess) -> None:
    assert flower.do(action, {"ids": [1], "flow": "thumbnail", "alert": 1}, login=False).status == 401


@pytest.mark.parametrize("action", ACTIONS)
def test_another_site_cannot_use_the_login_of_the_browser(action: str, flower: FlowerProcess) -> None:
    answer = flower.ask(f"/queue/api/do/{action}", method="POST", body={"ids": [1], "flow": "thumbnail"})
    assert answer.status == 403
    assert "_xsrf" in answer.json["error"]


def test_flowers_own_pages_have_the_way_to_ours(flower: FlowerProcess) -> None:
    assert 'href="/queue"' in flower.ask("/workers").text


def test_another_navigation_bar_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="another navigation bar"):
        with_entry("<nav></nav>")


BAD = {
    "/queue/api/record?id=abc": "id must be a whole number",
    "/queue/api/record?id=0": "id must be between 1",
    "/queue/api/record?id=99999999999999999999": "id must be a whole number",
    "/queue/api/record": "id is missing",
    "/queue/api/records?status=gone": "status must be one of",
    "/queue/api/records?before_id=-1": "before_id must be between",
    "/queue/api/records?from=yesterday": "from must be a date",
    "/queue/api/records?from=0001-01-01": "from must lie between",
    "/queue/api/records?from=2026-02-01&before=2026-01-01": "from must be earlier",
    "/queue/api/records?payload_value=1": "payload_key is missing",
    "/queue/api/records?key=" + "x" * 1001: "longer than 1000",
    "/queue/api/charts?span=9y": "span must be one of",
    "/queue/api/failures?span=9y": "span must be one of",
    "/queue/api/attempts": "group is missing",
    "/queue/api/attempts?group=x&before_at=now": "before_at must be a date",
    "/queue/api/audit?before_id=x": "before_id must be a whole number",
    "/queue/api/flow": "flow is missing",
    "/queue/export.csv?status=gone": "status must be one of",
}


@pytest.mark.parametrize("path", BAD)
def test_bad_input_is_answered_with_what_is_wrong(path: str, flower: FlowerProcess) -> None:
    answer = flower.ask(path)
    assert (answer.status, BAD[path] in answer.json["error"]) == (400, True), answer.text


@pytest.mark.parametrize(
    "path", ["/queue/api/record?id=999999", "/queue/api/flow?flow=nobody", "/queue/api/x"]
)
def test_what_does_not_exist_is_not_found(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path).status == 404


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE processing_queue; --", "%27%20OR%201=1", "{{7*7}}", "<script>"]
)
def test_nothing_that_is_searched_for_is_executed(text: str, flower: FlowerProcess) -> None:
    from urllib.parse import quote

    for field in ("flow", "error", "key", "payload_key"):
        answer = flower.ask(f"/queue/api/records?{field}={quote(text)}")
        assert (answer.status, answer.json["records"]) == (200, [])
    page = flower.ask(f"/queue/flows/{quote(text, safe='')}").text
    assert "<script>'" not in page
    assert f'data-subject="{text}"' not in page or "<" not in text


def test_the_overview_counts_what_is_there(flower: FlowerProcess, page_database: DatabaseManager) -> None:
    total = flower.ask("/queue/api/overview").json["total"]
    for status in ("pending", "processing", "failed"):
        counted = one(page_database, f"SELECT count(*) FROM processing_queue WHERE status = '{status}'")  # noqa: S608
        assert total[status] == counted
    assert total["success_rate_1h"] > 95
    assert total["oldest_due_seconds"] > 200


def test_charts_follow_the_history(flower: FlowerProcess) -> None:
    for span, buckets, looks in (("1h", 60, 50), ("24h", 96, 12), ("7d", 168, 3)):
        charts = flower.ask(f"/queue/api/charts?span={span}&flow=invoice_export").json
        assert len(charts["counts"]) in (buckets, buckets + 1)
        assert len(charts["depths"]) >= looks
        assert sum(bucket["enqueued"] > 0 for bucket in charts["counts"]) >= looks
        assert charts["durations"][0]["processing_p50"] > 0


def test_a_payload_is_shown_as_an_outline_only(flower: FlowerProcess) -> None:
    answer = flower.ask("/queue/api/record?id=2")
    assert answer.json["record"]["payload"] == {"name": "text of 28 characters", "respondent_id": "number"}
    assert "onerror" not in answer.text


def test_a_search_pages_through_all_records_once(
    flower: FlowerProcess, page_database: DatabaseManager
) -> None:
    ids: list[int] = []
    before = ""
    while True:
        page = flower.ask(f"/queue/api/records?flow=thumbnail{before}").json
        ids += [record["id"] for record in page["records"]]
        if page["next_before_id"] is None:
            break
        before = f"&before_id={page['next_before_id']}"
    assert ids == sorted(set(ids), reverse=True)
    assert len(ids) == one(
        page_database, "SELECT count(*) FROM processing_queue WHERE flow_name = 'thumbnail'"
    )


def test_a_search_by_payload_key_error_and_date_finds_its_record(flower: FlowerProcess) -> None:
    def found(query: str) -> list[int]:
        return [record["id"] for record in flower.ask(f"/queue/api/records?{query}").json["records"]]

    assert found("payload_key=respondent_id&payload_value=17") == [17]
    assert found("key=key-18") == [18]
    assert found("error=no%20such%20order&status=failed") == found("error=ORDER")
    assert found("from=2100-01-01") == []
    assert len(found("before=2100-01-01")) == 50


def test_an_export_holds_every_record_and_no_formula(flower: FlowerProcess) -> None:
    rows = list(csv.DictReader(io.StringIO(flower.ask("/queue/export.csv?status=failed").text)))
    exported = flower.ask("/queue/export.json?status=failed").json
    assert [int(row["id"]) for row in rows] == [row["id"] for row in exported]
    assert len(rows) == 30


def test_reset_says_first_how_many_and_leaves_an_audit_row(
    flower: FlowerProcess, page_database: DatabaseManager
) -> None:
    group = "TimeoutError: the bank did not answer"
    failed = "SELECT count(*) FROM processing_queue WHERE status = 'failed'"
    before = one(page_database, failed)
    would = flower.do("reset", {"error_group": group, "dry_run": True}).json["affected"]
    assert 0 < would < before
    assert one(page_database, failed) == before
    assert flower.do("reset", {"error_group": group}).json["affected"] == would
    assert one(page_database, failed) == before - would
    assert (
        one(page_database, "SELECT actor || ' ' || action FROM audit_log ORDER BY id DESC LIMIT 1")
        == "ops reset"
    )


def test_all_that_a_search_finds_can_be_cancelled(
    flower: FlowerProcess, page_database: DatabaseManager
) -> None:
    body = {
        "flow": "invoice_export",
        "status": "pending",
        "payload_key": "respondent_id",
        "payload_value": "3",
    }
    assert flower.do("cancel", body | {"dry_run": True}).json["affected"] == 1
    assert flower.do("cancel", body).json["affected"] == 1
    assert one(page_database, "SELECT status FROM processing_queue WHERE id = 3") == "cancelled"
    assert flower.do("cancel", {"flow": "invoice_export", "status": "failed"}).status == 400


def test_priority_purge_pause_and_acknowledge_do_what_they_say(
    flower: FlowerProcess, page_database: DatabaseManager
) -> None:
    assert flower.do("priority", {"ids": [1], "priority": 9}).json["affected"] == 1
    assert one(page_database, "SELECT priority FROM processing_queue WHERE id = 1") == 9
    assert flower.do("priority", {"ids": [1], "priority": 10}).status == 400
    assert flower.do("purge", {"ids": [1, 4]}).json["affected"] == 1  # 1 is pending
    assert flower.ask("/queue/api/record?id=4").status == 404
    assert flower.do("pause", {"flow": "thumbnail", "reason": "test"}).json["affected"] == 1
    assert flower.ask("/queue/api/flow?flow=thumbnail").json["explanation"]["code"] == "flow_paused"
    assert flower.do("resume", {"flow": "thumbnail"}).json["affected"] == 1
    assert flower.do("pause", {"flow": "nobody"}).status == 404
    alert = flower.ask("/queue/api/alerts").json["live"][0]["id"]
    assert flower.do("acknowledge", {"alert": alert}).json["affected"] == 1
    assert flower.do("acknowledge", {"alert": alert}).json["affected"] == 0


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"{", b'{"ids": "1"}', b'{"ids": []}', b'{"ids": [true]}', b'{"dry_run": 1}'),
        *(
            b'{"error_group": "\\ud800"}',
            b'{"status": "failed", "error": "\\udfff"}',
            b'{"error_group": "\\u0000"}',
        ),
    ],
)
def test_a_bad_request_changes_nothing(body: bytes, flower: FlowerProcess) -> None:
    answer = flower.do("reset", body)
    assert (answer.status, answer.text.startswith('{"error":')) == (400, True)


def test_a_reason_that_is_no_text_is_refused(flower: FlowerProcess) -> None:
    answer = flower.do("pause", b'{"flow": "thumbnail", "reason": "\\ud800"}')
    assert (answer.status, "reason" in answer.json["error"]) == (400, True)
    assert flower.do("resume", {"flow": "thumbnail"}).json["affected"] == 0


def test_read_only_mode_refuses_every_action(page_database_url: str, redis_url: str, tmp_path: Path) -> None:
    process = FlowerProcess(environment(page_database_url, redis_url), tmp_path / "log", "--read-only")
    try:
        process.wait()
        for action in ACTIONS:
            answer = process.do(action, {"ids": [1], "flow": "thumbnail", "alert": 1})
            assert (answer.status, "read-only" in answer.text) == (403, True)
        assert "read-only" in process.ask("/queue").text
    finally:
        process.stop()


def test_without_a_login_it_serves_this_machine_and_changes_nothing(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    process = FlowerProcess(environment(page_database_url, redis_url), tmp_path / "log", login=False)
    try:
        process.wait()
        assert process.ask("/queue/api/overview", login=False).status == 200
        assert process.ask("/queue", login=False, headers={"Host": "evil.example"}).status == 403
        for action in ACTIONS:
            assert process.do(action, {"ids": [1], "flow": "thumbnail"}, login=False).status == 403
    finally:
        process.stop()


def test_without_a_login_it_does_not_listen_to_others(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    process = FlowerProcess(environment(page_database_url, redis_url), log, "--address=0.0.0.0", login=False)
    assert process.process.wait(30) == 1
    assert "start Flower with --basic-auth=NAME:PASSWORD" in log.read_text()


def test_a_database_that_is_away_is_said_and_does_not_break_the_page(redis_url: str, tmp_path: Path) -> None:
    nowhere = environment("postgresql://nobody@127.0.0.1:1/none", redis_url)
    process = FlowerProcess(nowhere, tmp_path / "log")
    try:
        process.wait()
        assert process.ask("/queue").status == 200
        answer = process.ask("/queue/api/overview")
        assert (answer.status, "slow or away" in answer.json["error"]) == (503, True)
        assert "processing_queue_up 0.0" in process.ask("/metrics").text
    finally:
        process.stop()
