"""Starts Flower with the documented command, as an operator does: `celery -A processing_queue flower`."""

import base64
import http.client
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from random import randrange
from typing import Any
from urllib.parse import urlsplit

from tasks.embedded.redis import free_port
from tests.support.pgbouncer import SETTING as SETTING_OF_PGBOUNCER, THROUGH_PGBOUNCER

START_SECONDS = 60.0
USER, PASSWORD = "ops", "correct horse"


class FlowerProcess:
    def __init__(self, environment: dict[str, str], log: Path, *options: str, login: bool = True) -> None:
        self.port = free_port(randrange(20_000, 30_000))  # outgoing connections use higher ports
        self.log = log
        self.prefix = next((o.partition("=")[2] for o in options if o.startswith("--url-prefix=")), "")
        arguments = [f"--port={self.port}", *options, *([f"--basic-auth={USER}:{PASSWORD}"] if login else [])]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "processing_queue", "flower", *arguments],
                env={**environment, "PYTHONPATH": str(Path.cwd()), "PYTHONWARNINGS": "default"},
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self) -> "FlowerProcess":
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            try:
                if self.ask(self.prefix + "/healthcheck").status == 200:
                    return self
            except OSError:
                time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        body: Any = None,
        login: bool = True,
        headers: dict[str, str] | None = None,
    ) -> "Answer":
        # Answers to wrong logins from one address become slower and slower. So each request without a login uses
        # another address.
        source = None if login else (f"127.{randrange(256)}.{randrange(256)}.{randrange(1, 255)}", 0)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30, source_address=source)
        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        sent = ({"Authorization": f"Basic {token}"} if login else {}) | (headers or {})
        try:
            content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, content, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))
        finally:
            connection.close()

    def do(
        self, action: str, body: Any, *, headers: dict[str, str] | None = None, **options: Any
    ) -> "Answer":
        """Sends an action as the page does, with the cookie's XSRF token in a header."""
        headers = {
            **(headers or {}),
            "Cookie": "_xsrf=2|1234abcd|0123456789abcdef0123456789abcdef|1700000000",
        }
        headers["X-Xsrftoken"] = headers["Cookie"].partition("=")[2]
        headers["Content-Type"] = "application/json"
        return self.ask(
            f"{self.prefix}/queue/api/do/{action}", method="POST", body=body, headers=headers, **options
        )


class Answer:
    def __init__(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.status = status
        self.content = content
        self.headers = headers

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def location(self) -> str:
        return urlsplit(self.headers.get("Location", "")).path


def environment(database_url: str, redis_url: str) -> dict[str, str]:
    pooled = {SETTING_OF_PGBOUNCER: "true"} if THROUGH_PGBOUNCER else {}
    return {**os.environ, **pooled, "DATABASE_URL": database_url, "CELERY_BROKER_URL": redis_url}
