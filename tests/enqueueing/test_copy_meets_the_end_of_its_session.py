"""If the server ends a session at the end of a COPY, producers get DatabaseUnavailableError. Producers also get
DatabaseUnavailableError if an error message and the end of the session arrive at once."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest

from queue_store import DatabaseManager, DatabaseUnavailableError, aenqueue_many, enqueue_many
from tests.support.flow_rows import register_flow

COPY_DONE = b"c\x00\x00\x00\x04"


def error_response(severity: str, sqlstate: str) -> bytes:
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0Mas PgBouncer passes it on\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


class TwoAnswers:
    """A proxy between a client and its server. It answers the end of a COPY with two messages at once: an error, and a
    fatal error that ends the session."""

    def __init__(self, database: DatabaseManager) -> None:
        url = database.engine.url
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as found:
            self._host, server_port = found.info.host, found.info.port
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = (
            f"postgresql://{url.username}:{url.password or ''}@127.0.0.1:{self._listener.getsockname()[1]}"
            f"/{url.database}?sslmode=disable&gssencmode=disable"
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            with client, self._connect() as server:
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()
                while (chunk := client.recv(65_536)) and not chunk.endswith(COPY_DONE):
                    server.sendall(chunk)
                # `close` would not end the session, because the thread of `_pump` still reads from this socket. The
                # session must end: while this COPY waits for its client, no other session can drop a database.
                server.shutdown(socket.SHUT_RDWR)
                client.sendall(error_response("ERROR", "08P01") + error_response("FATAL", "08P01"))

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._server_port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._server_port}")
        return server

    def _pump(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while chunk := server.recv(65_536):
                client.sendall(chunk)


@pytest.fixture
def two_answers(database: DatabaseManager) -> Iterator[TwoAnswers]:
    register_flow(database, "send_invoice")
    proxy = TwoAnswers(database)
    yield proxy
    proxy.close()


def test_enqueue_many_reports_a_broken_connection(two_answers: TwoAnswers, database: DatabaseManager) -> None:
    with (
        psycopg.connect(two_answers.url, prepare_threshold=None) as connection,
        pytest.raises(DatabaseUnavailableError, match="before COMMIT"),
    ):
        enqueue_many(connection, "send_invoice", [{"order_id": 1}])
    assert connection.closed
    with database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM processing_queue").fetchall() == [(0,)]


def test_aenqueue_many_reports_a_broken_connection(two_answers: TwoAnswers) -> None:
    async def work() -> Any:
        connection = await psycopg.AsyncConnection.connect(two_answers.url, prepare_threshold=None)
        async with connection:
            with pytest.raises(DatabaseUnavailableError, match="before COMMIT"):
                await aenqueue_many(connection, "send_invoice", [{"order_id": 1}])
        return connection

    assert asyncio.run(work()).closed
