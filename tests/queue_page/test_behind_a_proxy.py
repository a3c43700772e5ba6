"""If a proxy logs people in, Flower checks the proxy's own login, and a header of the proxy names the person."""

import base64
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from queue_store.database.manager import DatabaseManager
from tests.support.flower_process import PASSWORD, USER, FlowerProcess, environment
from tests.support.page_flower import one, page_database, page_database_url

__all__ = ["page_database", "page_database_url"]

HEADER = "X-Forwarded-Email"
PERSON = "eve@example.org"
TOKEN = "2|1234abcd|0123456789abcdef0123456789abcdef|1700000000"
SETTING = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_PROXY_USER_HEADER"


@pytest.fixture(params=[HEADER, ""], ids=["with the setting", "without it"])
def header(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def flower(page_database_url: str, redis_url: str, tmp_path: Path, header: str) -> Iterator[FlowerProcess]:
    named = environment(page_database_url, redis_url) | {SETTING: header}
    process = FlowerProcess(named, tmp_path / "flower.log")
    yield process.wait()
    process.stop()


@pytest.fixture
def proxy(flower: FlowerProcess) -> Iterator[int]:
    """A proxy that works like the nginx of docs/watching.md. It logs people in, and replaces the identity headers of
    their requests."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Proxy(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if "session=eve" not in self.headers.get("Cookie", ""):
                self.send_error(401)
                return
            passed = {n: v for n, v in self.headers.items() if n not in (HEADER, "Authorization")}
            passed |= {HEADER: PERSON, "Authorization": f"Basic {login}"}
            body = self.rfile.read(int(self.headers["Content-Length"]))
            connection = http.client.HTTPConnection("127.0.0.1", flower.port, timeout=10)
            connection.request("POST", self.path, body, passed)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def pause(port: int, **headers: str) -> int:
    sent = {"Cookie": f"session=eve; _xsrf={TOKEN}", "X-Xsrftoken": TOKEN, "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/queue/api/do/pause", b'{"flow": "thumbnail"}', sent | headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_audit_names_the_person_that_the_proxy_names(
    proxy: int, flower: FlowerProcess, page_database: DatabaseManager, header: str
) -> None:
    actor = "SELECT actor FROM audit_log ORDER BY id DESC LIMIT 1"
    assert pause(proxy, Cookie=f"_xsrf={TOKEN}") == 401
    assert pause(flower.port, **{HEADER: "mallory@example.org"}) == 401, "without the login of the proxy"
    assert pause(proxy, **{HEADER: "mallory@example.org"}) == 200
    assert one(page_database, actor) == (PERSON if header else USER)
