"""If a channel's address redirects a message, the message does not count as sent. The reason: a client that follows
the redirect of a POST sends a GET, without the body."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from queue_store.settings import ProcessorSettings
from tasks.alerts.channels import ChannelError, channel_for
from tasks.alerts.sending import trial_message

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Moved(BaseHTTPRequestHandler):
    """Redirects each POST, with the status that the POST's path names. Answers each GET, and notes its path."""

    followed: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(int(self.path.strip("/").partition("?")[0]))
        self.send_header("Location", "/page")
        self.end_headers()

    def do_GET(self) -> None:
        self.followed.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Writes no log."""


@pytest.fixture
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moved)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    Moved.followed.clear()
    yield f"json://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/301", "/302", "/303", "/302?redirect=yes"])
def test_a_redirect_is_a_failure_that_says_so(path: str, host: str) -> None:
    with pytest.raises(ChannelError, match=r"json: .* if the address redirects"):
        channel_for(host + path, ProcessorSettings()).send(trial_message("primary"))
    assert Moved.followed == []
