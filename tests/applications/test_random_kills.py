"""A task runs for each order, while the worker and the producer are killed and Redis is restarted at random. No
durable task is lost.

ORDERS is the number of orders. KILLS_REPORT names a file for the report. `make kill-evidence` sets ORDERS and
KILLS_REPORT.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tasks.embedded.redis import EmbeddedRedis
from tests.support.documents import ROOT
from tests.support.evidence import made_by
from tests.support.servers import reachable_directory
from tests.workers.processes import wait_until, with_prefix

ORDERS = int(os.environ.get("ORDERS", "10000"))
PAUSE_SECONDS = (0.5, 2.0)
PATIENCE_SECONDS = 60 + ORDERS / 50
NAME = "tests.applications.shop_orders"
SOURCE = ROOT / "tests/applications/shop_orders.py"
INSTEAD = {
    "from celery import Celery\n": "from processing_queue.celery import DurableCelery\n",
    'app = Celery("shop_orders")': 'app = DurableCelery("shop_orders", transaction=lambda: database())',
    """
        with suppress(OperationalError):  # the customer sees an error, but the order exists
            invoice.delay(order)
""": """
            invoice.delay(order)
""",
}

pytestmark = [pytest.mark.long, pytest.mark.timeout(240 + 4 * PATIENCE_SECONDS)]

REPORT = """# Workers, producer and Redis are killed at random

A producer writes {orders:,} orders, each in a transaction, and calls a task for each that writes an invoice: on plain
Celery after the COMMIT, with `acks_late=True`, and on `DurableCelery` within the transaction. Every {pause} seconds
the worker with its two children or the producer is killed (SIGKILL), or Redis is stopped, and started again. Redis
keeps nothing on disk, as most brokers of Celery. After the last order everybody works on until nothing is left to do.
Orders that plain Celery delivers again only after the visibility timeout of an hour count as lost.

{made_by}

| | plain Celery | DurableCelery |
| --- | ---: | ---: |
| orders | {plain.orders:,} | {durable.orders:,} |
| kills of the worker, the producer, Redis | {plain.kills_told} | {durable.kills_told} |
| **orders without an invoice** | **{plain.lost:,}** | **{durable.lost:,}** |
| orders with more than one invoice | {plain.doubled:,} | {durable.doubled:,} |
| invoices without an order | {plain.unfounded:,} | {durable.unfounded:,} |
| from the first order to the last invoice | {plain.seconds:.0f} s | {durable.seconds:.0f} s |
"""
FOUND = """
SELECT count(*), count(*) FILTER (WHERE invoices = 0), count(*) FILTER (WHERE invoices > 1),
    (SELECT count(*) FROM invoices WHERE order_id NOT IN (SELECT id FROM orders))
FROM (SELECT o.id, count(i.order_id) AS invoices
    FROM orders o LEFT JOIN invoices i ON i.order_id = o.id GROUP BY o.id) told
"""
WAITING = "SELECT count(*) FROM processing_queue WHERE status IN ('pending', 'processing')"


@dataclass
class Outcome:
    orders: int = 0
    lost: int = 0
    doubled: int = 0
    unfounded: int = 0
    seconds: float = 0.0
    kills: dict[str, int] = field(default_factory=lambda: {"worker": 0, "producer": 0, "Redis": 0})

    @property
    def kills_told(self) -> str:
        return ", ".join(str(count) for count in self.kills.values())


class Shop:
    """The processes of one application. `outcome` holds the figures so far."""

    def __init__(
        self, directory: Path, environment: dict[str, str], broker: EmbeddedRedis, *, is_durable: bool
    ) -> None:
        self.outcome = Outcome()
        self.log = directory / "shop.log"
        self._directory, self._environment, self._broker = directory, environment, broker
        self._app, queues = ("processing_queue", "flows,control,celery") if is_durable else (NAME, "celery")
        options = [
            "-Q",
            queues,
            "--concurrency=2",
            "--without-mingle",
            "--without-gossip",
            "--loglevel=WARNING",
        ]
        self._commands = {
            "worker": ["-m", "celery", "-A", self._app, "worker", *options],
            "producer": ["-c", f"from {NAME} import sell; sell({ORDERS})"],
        }
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with self.log.open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [sys.executable, *self._commands[name]],
                cwd=self._directory, env=self._environment, stdout=output, stderr=output,
            )  # fmt: skip

    def kill(self, name: str) -> None:
        if name == "Redis":
            self._broker.stop()
            self._broker.start()
            return
        process = self._processes[name]
        for pid in [
            *(child.pid for child in psutil.Process(process.pid).children(recursive=True)),
            process.pid,
        ]:
            os.kill(pid, signal.SIGKILL)
        process.wait(30)

    def sell_under_kills(self, chance: random.Random) -> None:
        """Kills and restarts processes at random until the producer has sold everything."""
        victims: list[str] = []
        while True:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            if (code := self._processes["producer"].poll()) is not None:
                break
            victims = victims or chance.sample(list(self.outcome.kills), len(self.outcome.kills))
            name = victims.pop()
            self.kill(name)
            self.outcome.kills[name] += 1
            if name != "Redis":
                self.start(name)
        assert code == 0, self.log.read_text()[-3000:]

    def end(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is None:
                self.kill(name)


@contextmanager
def running_shop(
    directory: Path, environment: dict[str, str], *, is_durable: bool
) -> Iterator[tuple[Shop, psycopg.Connection[Any]]]:
    write(directory, is_durable=is_durable)
    settings = with_prefix({"FLOW_MODULES": NAME, "IDLE_POLL_SECONDS": "0.5", "MAX_CRASH_STRIKES": "1000"})
    with (
        reachable_directory() as place,
        psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection,
    ):
        broker = EmbeddedRedis(place)
        broker.start()
        environment = (
            environment | settings | {"CELERY_BROKER_URL": broker.url(), "PYTHONPATH": f"{directory}:{ROOT}"}
        )
        if is_durable:
            queuectl = Path(sys.executable).with_name("queuectl")
            subprocess.run([queuectl, "register"], cwd=directory, env=environment, check=True, timeout=60)
        connection.execute("CREATE TABLE orders (id integer PRIMARY KEY)")
        connection.execute("CREATE TABLE invoices (order_id integer NOT NULL)")
        shop = Shop(directory, environment, broker, is_durable=is_durable)
        try:
            yield shop, connection
        finally:
            shop.end()
            broker.stop()
            connection.execute("DROP TABLE orders, invoices")


def write(directory: Path, *, is_durable: bool) -> None:
    """Writes a copy of the application, with the same module name, into this directory."""
    text = SOURCE.read_text()
    for line, instead in INSTEAD.items() if is_durable else ():
        assert text.count(line) == 1, line
        text = text.replace(line, instead)
    package = directory / "tests" / "applications"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / SOURCE.name).write_text(text)


def perform(directory: Path, environment: dict[str, str], *, is_durable: bool) -> Outcome:
    with running_shop(directory, environment, is_durable=is_durable) as (shop, connection):
        began = time.monotonic()
        shop.start("worker")
        shop.start("producer")
        shop.sell_under_kills(random.Random(20261128))
        work_off(shop, connection, is_durable=is_durable)
        outcome = shop.outcome
        outcome.seconds = time.monotonic() - began
        row = connection.execute(FOUND).fetchone()
        assert row is not None
        outcome.orders, outcome.lost, outcome.doubled, outcome.unfounded = row
    return outcome


def work_off(shop: Shop, connection: psycopg.Connection[Any], *, is_durable: bool) -> None:
    """Waits until all tasks have ended. With plain Celery, waits until no new invoice has been written for ten
    seconds."""

    def one(query: str) -> int:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])

    if is_durable:
        wait_until(lambda: one(WAITING) == 0, "the end of all records", shop.log, PATIENCE_SECONDS)
        return
    seen, since = -1, time.monotonic()

    def is_idle() -> bool:
        nonlocal seen, since
        if (count := one("SELECT count(*) FROM invoices")) != seen:
            seen, since = count, time.monotonic()
        return time.monotonic() - since > 10

    wait_until(is_idle, "the end of all messages", shop.log, PATIENCE_SECONDS)


def test_no_durable_task_is_lost(settings_environment: dict[str, str], tmp_path: Path) -> None:
    durable = perform(tmp_path / "durable", settings_environment, is_durable=True)
    assert (durable.orders, durable.lost, durable.unfounded) == (ORDERS, 0, 0), durable
    assert sum(durable.kills.values()) > 0
    if path := os.environ.get("KILLS_REPORT"):
        plain = perform(tmp_path / "plain", settings_environment, is_durable=False)
        made = made_by(
            f"make kill-evidence ORDERS={ORDERS}",
            settings_environment["DATABASE_URL"], settings_environment["CELERY_BROKER_URL"],
        )  # fmt: skip
        pause = " to ".join(f"{seconds:g}" for seconds in PAUSE_SECONDS)
        Path(path).write_text(
            REPORT.format(orders=ORDERS, pause=pause, made_by=made, plain=plain, durable=durable)
        )
