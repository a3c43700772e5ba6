"""One check of login, host, headers and sizes applies to every request to Flower. If a login is configured, every path
needs it, except the login and logout pages, the health check and static files. No option switches the check off."""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from flower import urls

from tasks.queue_page.wrong_logins import LONGEST_SECONDS
from tests.support.flower_process import FlowerProcess, environment
from tests.support.page_flower import DATA_PATHS, PAGE_PATHS, flower, page_database_url

pytestmark = pytest.mark.long

__all__ = ["flower", "page_database_url"]

OPEN = ("/healthcheck", "/static/css/flower.css", "/queue/static/queue.js")
OF_FLOWER = ("/", "/login", "/logout", "/workers", "/tasks", "/broker", "/api/tasks", "/metrics", "/nothing")
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
NAMES = re.compile(r"\(\.[+*]\)\??")


def paths_of_flower() -> list[str]:
    """The paths of all handlers that Flower lists, including those of its API."""
    patterns = [entry.regex.pattern if hasattr(entry, "regex") else entry[0] for entry in urls.handlers]
    return sorted({NAMES.sub("x", pattern).replace("/?", "").rstrip("$") for pattern in patterns} - {".*"})


CLOSED = [
    path
    for path in [
        *paths_of_flower(),
        *PAGE_PATHS,
        *DATA_PATHS,
        "/queue/api/do/reset",
        "/nothing",
        "/queue/nothing",
    ]
    if not path.startswith(("/static", "/queue/static", "/healthcheck", "/login", "/logout"))
]


@pytest.mark.parametrize("method", METHODS)
def test_without_the_login_nothing_answers_by_any_method(flower: FlowerProcess, method: str) -> None:
    assert len(CLOSED) > 50
    for path in CLOSED:
        answer = flower.ask(path, method=method, login=False)
        assert answer.status in (401, 403, 405), (path, answer.status)  # 403: the token is missing


@pytest.mark.parametrize("path", [*PAGE_PATHS, *DATA_PATHS, *OF_FLOWER, *OPEN])
@pytest.mark.parametrize("login", [True, False])
def test_the_same_headers_are_on_every_page(flower: FlowerProcess, path: str, login: bool) -> None:
    headers = flower.ask(path, login=login).headers
    assert "frame-ancestors 'none'" in headers.get("Content-Security-Policy", "")
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert path.endswith((".css", ".js")) or headers["Cache-Control"] == "no-store"
    assert "SameSite=Strict" in headers.get("Set-Cookie", "SameSite=Strict")


@pytest.mark.parametrize("path", ["/api/task/async-apply/processing_queue.fan_out", "/api/worker/shutdown/x"])
def test_read_only_mode_holds_for_the_api_of_flower(
    page_database_url: str, redis_url: str, tmp_path: Path, path: str
) -> None:
    process = FlowerProcess(environment(page_database_url, redis_url), tmp_path / "log", "--read-only")
    try:
        answer = process.wait().ask(path, method="POST", body={})
        assert (answer.status, "read-only" in answer.text) == (403, True)
    finally:
        process.stop()


def test_the_login_of_a_provider_stands_behind_the_door_too(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """The provider cannot be reached. Flower's own error page would show the traceback and the settings of its
    process."""
    named = {
        "FLOWER_GITHUB_OAUTH_DOMAIN": "127.0.0.1:9",
        "FLOWER_OAUTH2_KEY": "key",
        "FLOWER_OAUTH2_SECRET": "secret",
        "FLOWER_OAUTH2_REDIRECT_URI": "http://127.0.0.1/login",
    }
    options = ("--auth_provider=flower.views.auth.GithubLoginHandler", "--auth=.*@example.org")
    process = FlowerProcess(
        environment(page_database_url, redis_url) | named, tmp_path / "log", *options, login=False
    )
    try:
        begun = process.wait().ask("/login", login=False)
        state = re.search(r"state=([\w-]+)", begun.headers["Location"])
        assert state is not None
        cookie = begun.headers["Set-Cookie"]
        assert "SameSite=Lax" in cookie
        path = f"/login?code=x&state={state[1]}"
        ended = process.ask(path, login=False, headers={"Cookie": cookie.partition(";")[0]})
        assert (ended.status, "Traceback" in ended.text) == (500, False)
        for answer in (begun, ended):
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Cache-Control"] == "no-store"
    finally:
        process.stop()


@pytest.fixture
def without_login(page_database_url: str, redis_url: str, tmp_path: Path) -> Iterator[FlowerProcess]:
    process = FlowerProcess(
        environment(page_database_url, redis_url), tmp_path / "log", "--debug", login=False
    )
    yield process.wait()
    process.stop()


def test_without_a_login_another_host_or_site_gets_nothing_and_nothing_is_changed(
    without_login: FlowerProcess,
) -> None:
    for path in CLOSED:
        assert without_login.ask(path, login=False, headers={"Host": "evil.example"}).status in (401, 403), (
            path
        )
    for path in CLOSED:
        answer = without_login.ask(
            path, method="POST", body={}, login=False, headers={"Origin": "http://evil.example"}
        )
        assert answer.status in (401, 403, 405), path


def test_the_unauthenticated_api_is_refused_at_the_start(
    page_database_url: str, redis_url: str, tmp_path: Path
) -> None:
    switched = environment(page_database_url, redis_url) | {"FLOWER_UNAUTHENTICATED_API": "1"}
    log = tmp_path / "log"
    assert FlowerProcess(switched, log, login=False).process.wait(30) == 1
    assert "unset it" in log.read_text()


def test_wrong_logins_are_answered_later_and_later_and_leave_a_line(flower: FlowerProcess) -> None:
    wrong = {"Authorization": "Basic b3BzOndyb25n"}
    times: list[float] = []
    for _ in range(5):
        started = time.monotonic()
        assert flower.ask("/queue", login=True, headers=wrong).status == 401
        times.append(time.monotonic() - started)
    assert times[-1] > 1.5
    assert times[-1] < LONGEST_SECONDS + 20
    assert re.search(r"wrong login no\. 5 from 127\.0\.0\.1: answered after 1\.6 s", flower.log.read_text())
    started = time.monotonic()
    assert flower.ask("/queue").status == 200
    assert time.monotonic() - started < 3, "a right login must not wait"


def test_a_large_body_is_not_taken(flower: FlowerProcess) -> None:
    before = memory(flower)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", flower.port), 10) as client:
            client.sendall(
                b"POST /queue/api/do/reset HTTP/1.1\r\nHost: x\r\nContent-Length: 95000000\r\n\r\n"
            )
            with suppress(OSError):  # the other side closes the connection at some point
                client.sendall(b"x" * 95_000_000)
                pytest.fail("it was taken")
    assert memory(flower) - before < 20_000_000


def memory(flower: FlowerProcess) -> int:
    return psutil.Process(flower.process.pid).memory_info().rss


def test_who_does_not_finish_a_request_is_let_go(flower: FlowerProcess) -> None:
    begun = []
    for text in (b"GET / HTTP/1.1\r\nHost: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nx"):
        client = socket.create_connection(("127.0.0.1", flower.port), 10)
        client.sendall(text)
        client.settimeout(30)
        begun.append(client)
    for client in begun:
        while client.recv(4096):
            pass
        client.close()
