"""Bad input gets an answer that says what is wrong. Nothing in the input is executed, and nothing is changed."""

from urllib.parse import quote
from uuid import UUID

import pytest

from tests.support.flower_process import FlowerProcess
from tests.support.page_flower import flower, page_database, page_database_url

__all__ = ["flower", "page_database", "page_database_url"]

BAD = {
    "/queue/api/record?id=abc": "id must be a whole number",
    "/queue/api/record?id=0": "id must be between 1",
    "/queue/api/record?id=99999999999999999999": "id must be a whole number",
    "/queue/api/record": "id is missing",
    "/queue/api/records?status=gone": "status must be one of",
    "/queue/api/records?before_id=-1": "before_id must be between",
    "/queue/api/records?from=yesterday": "from must be a date",
    "/queue/api/records?from=0001-01-01": "from must lie between",
    "/queue/api/records?from=2026-02-01&before=2026-01-01": "`from` must be earlier",
    "/queue/api/records?payload_value=1": "payload_key is missing",
    "/queue/api/records?key=" + "x" * 1001: "longer than 1000",
    "/queue/api/charts?span=9y": "span must be one of",
    "/queue/api/failures?span=9y": "span must be one of",
    "/queue/api/attempts": "group is missing",
    "/queue/api/attempts?group=x&before_at=now": "before_at must be a date",
    "/queue/api/audit?before_id=x": "before_id must be a whole number",
    "/queue/api/flow": "flow is missing",
    "/queue/api/run": "run is missing",
    "/queue/api/run?run=17": "run must be an id such as",
    "/queue/export.csv?status=gone": "status must be one of",
}


@pytest.mark.parametrize("path", BAD)
def test_bad_input_is_answered_with_what_is_wrong(path: str, flower: FlowerProcess) -> None:
    answer = flower.ask(path)
    assert (answer.status, BAD[path] in answer.json["error"]) == (400, True), answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/queue/api/record?id=999999",
        "/queue/api/flow?flow=nobody",
        f"/queue/api/run?run={UUID(int=0)}",
        "/queue/api/x",
    ],
)
def test_what_does_not_exist_is_not_found(path: str, flower: FlowerProcess) -> None:
    assert flower.ask(path).status == 404


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE processing_queue; --", "%27%20OR%201=1", "{{7*7}}", "<script>"]
)
def test_nothing_that_is_searched_for_is_executed(text: str, flower: FlowerProcess) -> None:
    for field in ("flow", "error", "key", "payload_key"):
        answer = flower.ask(f"/queue/api/records?{field}={quote(text)}")
        assert (answer.status, answer.json["records"]) == (200, [])
    page = flower.ask(f"/queue/flows/{quote(text, safe='')}").text
    assert "<script>'" not in page
    assert f'data-subject="{text}"' not in page or "<" not in text


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
