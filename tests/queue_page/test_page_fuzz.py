"""Sends odd values to every path and field of the page, and of Flower's API. No answer contains a traceback. No
answer is a 5xx, except Flower's 503 for its missing result backend. Without a login and a token, nothing changes. The
values are random, with a fixed seed."""

import itertools
import json
import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from flower import urls

from queue_store.database.manager import DatabaseManager
from tasks.queue_page.actions import ACTIONS
from tasks.queue_page.views import VIEWS
from tests.queue_page.test_door import NAMES
from tests.support.documents import ROOT
from tests.support.flower_process import FlowerProcess
from tests.support.page_flower import flower, page_database, page_database_url

pytestmark = pytest.mark.long

__all__ = ["flower", "page_database", "page_database_url"]

SEED = 20261127
REQUESTS = 400  # random requests. Before these, each method of each path and each field of our paths gets one request
METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
FIELDS = (
    "id", "ids", "flow", "status", "error", "key", "payload_key", "payload_value", "from", "before", "before_id",
    "before_at", "span", "group", "error_group", "hours", "days", "limit", "level", "alert", "claim", "priority",
    "reason", "dry_run", "draw", "start", "length", "search[value]", "order[0][column]", "order[0][dir]",
    "columns[0][data]", "state", "type", "workername", "taskname", "refresh", "status", "timeout", "n", "queue",
    "min", "max", "sort_by", "run", "worker", "to_flow", "offset", "received_start", "code", "next", "known",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    "", "0", "-1", "1", "9" * 40, "1e999", "NaN", "null", "true", "x", "x" * 5_000, "\x00", "é", "\u202e", "\ud7ff",
    "'; DROP TABLE flows; --", "{{7*7}}", "<script>alert(1)</script>", "../../../etc/passwd", "%s%n", "=1+1",
    "\r\nX: y",
    "2026-01-01", "2026-13-45T99:99", "0001-01-01T00:00:00Z", "9999-12-31", "thumbnail", "failed", "name:x", 'args:"',
    0, -1, 2**63, 2**80, 1.5, None, True, [], [1], ["x"], [[1]], [None], {}, {"a": []}, list(range(2_000)),
)  # fmt: skip
HOSTILE = (
    "\x00", "\ud800", "\udfff x", "9" * 40, str(2**63), str(-(2**63)), "1e999", "NaN", "x" * 5_000, "\u202e", "%",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "294277-01-01", "infinity", "'", "[]", "{}",
)  # fmt: skip
MEANT = {
    "id": "17",
    "run": "00000000-0000-4000-8000-000000000101",
    "flow": "thumbnail",
    "payload_key": "respondent_id",
    "payload_value": "17",
    "group": "ValueError: no",
}
UNTOUCHED = """
SELECT (SELECT md5(string_agg(q::text, '' ORDER BY q.id)) FROM processing_queue q),
    (SELECT md5(string_agg(a::text, '' ORDER BY a.id)) FROM audit_log a),
    (SELECT md5(string_agg(a::text, '' ORDER BY a.id)) FROM alerts a),
    (SELECT md5(string_agg(o::text, '' ORDER BY o.entry, o.due_at)) FROM schedule_occurrences o),
    (SELECT md5(string_agg(f::text, '' ORDER BY f.flow_name)) FROM flows f)
"""


Request = tuple[str, str, bytes | None]


class Requests:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        ours = [f"/queue/api/{view}" for view in VIEWS] + [f"/queue/api/do/{action}" for action in ACTIONS]
        pages = ["/queue", "/queue/flows/{}", "/queue/records/{}", "/queue/export.csv", "/queue/export.json"]
        patterns = [entry.regex.pattern if hasattr(entry, "regex") else entry[0] for entry in urls.handlers]
        of_flower = {NAMES.sub("{}", pattern).replace("/?", "").rstrip("$") for pattern in patterns} - {
            ".*",
            "/login",
        }
        self._ours = ours
        self._paths = [*ours, *ours, *pages, *sorted(of_flower)]

    def each(self) -> Iterator[Request]:
        for path, method in itertools.product(dict.fromkeys(self._paths), METHODS):
            yield self._request(path, method, self._some_fields())
        for path, field in itertools.product(self._ours, FIELDS):
            yield self._request(path, "POST" if "/do/" in path else "GET", [field])
        for _ in range(REQUESTS):
            yield self._request(
                self._random.choice(self._paths), self._random.choice(("GET", *METHODS)), self._some_fields()
            )

    def _some_fields(self) -> list[str]:
        return self._random.sample(FIELDS, self._random.randrange(5))

    def _request(self, path: str, method: str, names: list[str]) -> Request:
        path = path.replace("{}", percent(self._value()))
        fields = [(name, self._value()) for name in names]
        question = "&".join(f"{percent(name)}={percent(value)}" for name, value in fields)
        if method == "GET":
            return method, f"{path}?{question}"[:20_000], None
        body = self._random.choice(
            (json.dumps(dict(fields)), json.dumps(self._value()), question, "{", "\x00")
        )
        return method, path[:20_000], body.encode()

    def _value(self) -> Any:
        return self._random.choice(VALUES)


def percent(value: object) -> str:
    return quote(str(value), safe="", errors="surrogatepass")


def state(database: DatabaseManager) -> list[tuple[Any, ...]]:
    with database.transaction() as cursor:
        return cursor.execute(UNTOUCHED.encode()).fetchall()


def read_by_the_page() -> list[str]:
    """The names of the fields that the page reads, taken from its source."""
    sources = [path.read_text() for path in (ROOT / "tasks/queue_page").rglob("*.py")]
    named = re.compile(r"\b(?:\w*arguments|self)\.(?!set_header)\w+\(\s*\"(\w+)\"")
    return sorted({name for text in sources for name in named.findall(text)})


def test_each_field_that_the_page_reads_is_among_them() -> None:
    assert len(read_by_the_page()) > 15
    assert set(read_by_the_page()) - set(FIELDS) == set()


@pytest.mark.parametrize("view", VIEWS)
def test_each_hostile_value_of_each_field_is_answered(flower: FlowerProcess, view: str) -> None:
    for field, value in itertools.product(read_by_the_page(), HOSTILE):
        question = "&".join(f"{name}={percent(text)}" for name, text in (MEANT | {field: value}).items())
        answer = flower.ask(f"/queue/api/{view}?{question}")
        assert answer.status < 500, (field, value, answer.text)
    assert "Traceback" not in flower.log.read_text()


@pytest.mark.parametrize("login", [False, True])
def test_without_login_and_token_nothing_changes(
    flower: FlowerProcess, page_database: DatabaseManager, login: bool
) -> None:
    before = state(page_database)
    requests = Requests(SEED + login)
    for method, path, body in requests.each():
        if "/api/" in path and not path.startswith("/queue/") and method != "GET" and login:
            continue  # with the login, Flower's own API may send tasks and commands
        answer = flower.ask(path, method=method, body=body, login=login)
        is_without_backend = answer.status == 503 and path.startswith(
            "/api/task/result"
        )  # there is no result backend
        assert answer.status < 500 or is_without_backend, (method, path, body, answer.text[:500])
        if method == "POST" and path.startswith("/queue/api/do/"):
            assert answer.status in (401, 403), (path, answer.status)
        assert answer.status >= 300 or login or path.startswith(("/static", "/healthcheck", "/logout")), path
        assert b"Traceback" not in answer.content
    assert state(page_database) == before
    assert "Traceback" not in flower.log.read_text()


@pytest.mark.parametrize("action", ACTIONS)
def test_with_login_and_token_nonsense_is_answered_with_a_sentence(
    flower: FlowerProcess, action: str
) -> None:
    chooser = random.Random(f"{SEED} {action}")
    for _ in range(60):
        fields = {name: chooser.choice(VALUES) for name in chooser.sample(FIELDS, chooser.randrange(1, 6))}
        if fields.get("ids") in ([1], list(range(2_000))) or "thumbnail" in fields.values():
            continue  # this request is valid
        answer = flower.do(action, fields)
        assert answer.status < 500, (fields, answer.text)
        assert answer.json.get("error") or "affected" in answer.json
    assert "Traceback" not in flower.log.read_text()
