"""Tests the views and the actions of the Queue page over HTTP."""

import csv
import gzip
import io
import json
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from tasks.queue_page.navigation import with_entry
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_flower import DATA_PATHS, PAGE_PATHS, flower, one, page_database, page_database_url

__all__ = ["flower", "page_database", "page_database_url"]


@pytest.mark.parametrize("path", [*PAGE_PATHS, *DATA_PATHS, "/metrics"])
def test_every_page_and_view_answers(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path).status == 200, path


def test_flowers_own_pages_have_the_way_to_ours(flower: FlowerProcess) -> None:
    assert 'href="/queue"' in flower.ask("/workers").text


def test_another_navigation_bar_is_noticed() -> None:
    with pytest.raises(RuntimeError, match="another navigation bar"):
        with_entry("<nav></nav>")


def test_the_overview_counts_what_is_there(flower: FlowerProcess, page_database: DatabaseManager) -> None:
    total = flower.ask("/queue/api/overview").json["total"]
    for status in ("pending", "processing", "failed"):
        counted = one(page_database, f"SELECT count(*) FROM processing_queue WHERE status = '{status}'")  # noqa: S608
        assert total[status] == counted
    assert total["success_rate_1h"] > 90
    assert total["oldest_due_seconds"] > 200


def test_charts_follow_the_history(flower: FlowerProcess) -> None:
    for span, buckets, looks in (("1h", 60, 50), ("24h", 96, 12), ("7d", 168, 3)):
        charts = flower.ask(f"/queue/api/charts?span={span}&flow=invoice_export").json
        assert len(charts["counts"]) in (buckets, buckets + 1)
        assert len(charts["depths"]) >= looks
        assert sum(bucket["enqueued"] > 0 for bucket in charts["counts"]) >= looks
        assert charts["durations"][0]["processing_p50"] > 0


def test_the_database_view_has_the_size_of_the_database(flower: FlowerProcess) -> None:
    answer = flower.ask("/queue/api/database").json
    assert answer["database_bytes"] > sum(table["bytes"] for table in answer["tables"]) > 0


def test_a_large_answer_is_compressed_for_those_who_ask_for_it(flower: FlowerProcess) -> None:
    path = "/queue/api/records"
    plain = flower.ask(path)
    packed = flower.ask(path, headers={"Accept-Encoding": "gzip, br"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert len(packed.content) * 5 < len(plain.content)
    assert json.loads(gzip.decompress(packed.content)).keys() == plain.json.keys()
    small = flower.ask("/queue/api/stops", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in small.headers


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


def test_a_database_that_is_away_is_said_and_does_not_break_the_page(redis_url: str, tmp_path: Path) -> None:
    nowhere = environment("postgresql://nobody@127.0.0.1:1/none", redis_url)
    process = FlowerProcess(nowhere, tmp_path / "log")
    try:
        process.wait()
        assert process.ask("/queue").status == 200
        answer = process.ask("/queue/api/overview")
        assert (answer.status, "slow, or cannot be reached" in answer.json["error"]) == (503, True)
        assert "processing_queue_up 0.0" in process.ask("/metrics").text
    finally:
        process.stop()
