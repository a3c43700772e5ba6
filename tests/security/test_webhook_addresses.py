"""A webhook reaches no address of our own network, in any notation. If an answer is too slow, the sender gives up."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from queue_store.settings import ProcessorSettings
from tasks.alerts import webhook
from tasks.alerts.channels import ChannelError, channel_for
from tasks.alerts.webhook import Webhook


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:0a00:0001::1", "2002:7f00:1::",
        "::10.0.0.1", "::127.0.0.1", "2001:0:a00:1::1", "fe80::1%eth0", "224.0.0.1", "0.0.0.0", "::",  # noqa: S104
    ],
)  # fmt: skip
def test_an_address_of_our_own_network_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ValueError, match="a private address"):
        Webhook("https://hooks.example/x").post({})


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::93.184.216.34", "2002:5db8:d822::1"]
)
def test_a_public_one_is_connected_to(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", lambda *_: (_ for _ in ()).throw(OSError("reached")))
    with pytest.raises(OSError, match="reached"):
        Webhook("https://hooks.example/x").post({})


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://a:b/x", "https://", "https://[x]/", "http:///x", "https://a:99999/"]
)
def test_a_url_with_a_mistake_is_a_sentence(url: str) -> None:
    with pytest.raises(ChannelError):
        channel_for(url, ProcessorSettings()).send({})


@pytest.fixture
def dripping() -> Iterator[int]:
    """A server that sends single bytes slowly, as long as the client reads."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
                        client.send(bytes([byte]))
                        if ended.wait(0.05):
                            return
                except OSError:
                    pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        ended.set()
        thread.join(30)


def test_an_answer_that_drips_is_given_up(dripping: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "ANSWER_SECONDS", 0.5)
    started = time.monotonic()
    with pytest.raises(OSError):  # noqa: PT011  (the library chooses the error for a closed connection)
        Webhook(f"http://127.0.0.1:{dripping}/x", ("127.0.0.1",)).post({})
    assert time.monotonic() - started < 30
