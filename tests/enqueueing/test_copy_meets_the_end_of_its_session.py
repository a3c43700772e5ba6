"""If the server ends a session at the end of a COPY, producers get DatabaseUnavailableError. Producers also get
DatabaseUnavailableError if an error message and the end of the session arrive at once."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from queue_store import DatabaseManager, DatabaseUnavailableError, aenqueue_many, enqueue_many
from tests.support.flow_rows import register_flow
from tests.support.server_proxy import ServerProxy

COPY_DONE = b"c\x00\x00\x00\x04"


def error_response(severity: str, sqlstate: str) -> bytes:
    fields = f"S{severity}\0V{severity}\0C{sqlstate}\0Mas PgBouncer passes it on\0\0".encode()
    return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields


class TwoAnswers(ServerProxy):
    """Answers the end of a COPY with two messages at once: an error, and a fatal error that ends the session."""

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        while (chunk := client.recv(65_536)) and not chunk.endswith(COPY_DONE):
            server.sendall(chunk)
        # While this COPY waits for its client, no other session can drop a database.
        server.shutdown(socket.SHUT_RDWR)
        client.sendall(error_response("ERROR", "08P01") + error_response("FATAL", "08P01"))


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
