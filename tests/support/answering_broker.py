"""A server between a client and its Redis. It passes everything on, or answers each command with an error."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO
from urllib.parse import urlsplit


class AnsweringBroker:
    """`reply`: the error with which the broker answers each command, such as "LOADING Redis is loading the dataset in
    memory". If `reply` is None, the broker passes everything on. `clients`: the connections of the clients. Connections
    that have subscribed to a channel come first."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._address = self._listener.getsockname()
        self.reply: str | None = None
        self.clients: list[socket.socket] = []

    @property
    def url(self) -> str:
        port = self._address[1]
        password = f":{self._parts.password}@" if self._parts.password else ""
        return f"redis://{password}127.0.0.1:{port}{self._parts.path}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def refuse(self) -> None:
        """Refuses new connections and ends the existing ones, beginning with those of subscribers."""
        self.close()
        for client in self.clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        self.clients.clear()

    def accept_again(self) -> None:
        self._listener = socket.create_server(self._address)
        threading.Thread(target=self.serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _answer(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        self.clients.append(client)
        with suppress(OSError, ValueError), client, client.makefile("rb") as commands:
            while command := _command(commands):
                if self.reply is not None:
                    client.sendall(f"-{self.reply}\r\n".encode())
                    continue
                if b"PSUBSCRIBE" in command:
                    self.clients.remove(client)
                    self.clients.insert(0, client)
                if server is None:
                    server = self._connect(client)
                server.sendall(command)
        if server is not None:
            server.close()

    def _connect(self, client: socket.socket) -> socket.socket:
        server = socket.create_connection((self._parts.hostname or "", self._parts.port or 6379))
        threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
        return server


@contextmanager
def answering_broker(url: str) -> Iterator[AnsweringBroker]:
    broker = AnsweringBroker(url)
    thread = threading.Thread(target=broker.serve, daemon=True)
    thread.start()
    yield broker
    broker.close()
    thread.join(5)


def _command(commands: BinaryIO) -> bytes:
    """Reads one Redis command, which is an array of strings. Returns b"" if the client has closed the connection."""
    head = commands.readline()
    parts = [head]
    for _ in range(int(head[1:] or 0)):
        length = commands.readline()
        parts += [length, commands.read(int(length[1:]) + 2)]
    return b"".join(parts)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
