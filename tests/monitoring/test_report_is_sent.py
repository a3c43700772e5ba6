"""The daily report is sent to its recipients, attached to a message. By default there are no recipients."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.database.manager import DatabaseManager
from tasks.cli import main
from tasks.report.daily import daily_report
from tasks.report.sending import ReportNotSentError
from tests.support.filling import add_flow, add_outcomes

SETTING = "DEVELOPMENT_DISTRIBUTED_PROCESSOR_REPORT_RECIPIENTS"

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Receiver:
    """Receives what Apprise sends as JSON, and refuses every message to /refused."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                is_taken = not self.path.startswith("/refused")
                if is_taken:
                    receiver.received.append(json.loads(body))
                self.send_response(200 if is_taken else 500)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://me:hush@127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receiver(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Receiver]:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    add_flow(database)
    add_outcomes(database, completed=40, enqueued=50, minutes_ago=0)
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.05,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def test_by_default_nobody_gets_it(receiver: Receiver) -> None:
    assert daily_report() == 0
    result = CliRunner().invoke(main, ["report", "--send"])
    assert (result.exit_code, "REPORT_RECIPIENTS" in result.stderr) == (1, True)
    assert receiver.received == []


@pytest.mark.parametrize("by_hand", [False, True])
def test_it_comes_attached_as_one_file_of_html(
    by_hand: bool, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, f"{receiver.url}/refused,{receiver.url}/report")
    if by_hand:
        assert CliRunner().invoke(main, ["report", "--send"]).output == "Sent to 1\n"
    else:
        assert daily_report() == 1
    (message,) = receiver.received
    assert message["title"].startswith("The queue on ")
    assert "50 records were enqueued" in message["message"]
    (attachment,) = message["attachments"]
    assert attachment["filename"].endswith(".html")
    text = base64.b64decode(attachment["base64"]).decode()
    assert text.startswith("<!doctype html>")
    assert text.count("<svg") == 3


@pytest.mark.parametrize(("path", "problem"), [("/refused", "was not accepted"), (None, "does not know")])
def test_that_nobody_got_it_is_an_error_without_secrets(
    path: str | None, problem: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SETTING, receiver.url + path if path else "nonsense://hush@host")
    with pytest.raises(ReportNotSentError, match=problem) as error:
        daily_report()
    assert "hush" not in str(error.value)


def test_sending_goes_without_a_file(receiver: Receiver) -> None:
    assert CliRunner().invoke(main, ["report", "--send", "--format", "markdown"]).exit_code == 64
