"""A proxy between one client and its Postgres server. Subclasses change what passes through."""

import socket
import threading
from contextlib import suppress

import psycopg
from sqlalchemy import URL

from queue_store import DatabaseManager

MARK = "marked_payload"


class ServerProxy:
    """Serves one connection. `url`: the URL for the client."""

    def __init__(self, database: DatabaseManager) -> None:
        url: URL = database.engine.url
        with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as found:
            self._host, self._server_port = found.info.host, found.info.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = (
            f"postgresql://{url.username}:{url.password or ''}@127.0.0.1:{self._listener.getsockname()[1]}"
            f"/{url.database}?sslmode=disable&gssencmode=disable"
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        """Passes requests on until the connection ends."""
        while chunk := client.recv(65_536):
            server.sendall(chunk)

    def pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        """Passes answers on until the connection ends. Runs in a thread of its own."""
        while chunk := server.recv(65_536):
            client.sendall(chunk)

    def _accept(self) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            with client, self._connect() as server:
                answers = threading.Thread(target=self._answer, args=(client, server), daemon=True)
                answers.start()
                self.pass_requests(client, server)
                # The server's session must end, so that the test can drop the database.
                server.shutdown(socket.SHUT_RDWR)
                answers.join()

    def _answer(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            self.pass_answers(client, server)

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, self._server_port))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._server_port}")
        return server


class LostReply(ServerProxy):
    """Loses the reply to the first request that contains `mark`, and ends the connection."""

    def __init__(self, database: DatabaseManager, mark: str = MARK) -> None:
        self.mark = mark.encode()
        self.is_reached = False
        super().__init__(database)

    def pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        while chunk := client.recv(65_536):
            self.is_reached = self.is_reached or self.mark in chunk
            server.sendall(chunk)

    def pass_answers(self, client: socket.socket, server: socket.socket) -> None:
        while (chunk := server.recv(65_536)) and not self.is_reached:
            client.sendall(chunk)
        client.shutdown(socket.SHUT_RDWR)
