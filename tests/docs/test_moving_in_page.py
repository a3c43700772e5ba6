"""The commands of docs/moving-in.md move jobs from each supported system into the queue, as the page says."""

import asyncio
from typing import Any

import procrastinate
import psycopg
from click.testing import CliRunner
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.queries import Queries

from tasks.cli import main
from tests.moving_in.conftest import SCHEMA, Importing, importing
from tests.support.documents import code_blocks

__all__ = ["importing"]


def fill_procrastinate(url: str) -> None:
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector(conninfo=url))
    with app.open():
        app.schema_manager.apply_schema()
        app.configure_task("invoice").defer(order_id=1)
        app.configure_task("shop.write_letter").defer(text="a")


def fill_pgqueuer(url: str) -> None:
    async def fill() -> None:
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            async with PsycopgDriver(connection) as driver:
                queries = Queries(driver)
                await queries.install()
                await queries.enqueue(["invoice"], [b'{"order_id": 2}'], [0])

    asyncio.run(fill())


def fill_table(importing: Importing) -> None:
    importing.query(
        "CREATE TABLE the_other.jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text,"
        " order_id integer, text text, due timestamptz)"
    )
    importing.query("INSERT INTO jobs (status, order_id) VALUES ('waiting', 3), ('done', 4)")


def test_each_command_moves_what_it_says(importing: Importing, monkeypatch: Any) -> None:
    fill_procrastinate(importing.url)
    fill_pgqueuer(importing.url)
    fill_table(importing)
    separator = "&" if "?" in importing.queue_url else "?"
    monkeypatch.setenv(
        "DATABASE_URL", f"{importing.queue_url}{separator}options=-csearch_path%3D{SCHEMA},public"
    )
    for block in code_blocks("docs/moving-in.md", "shell"):
        for line in block.code.splitlines():
            before = len(importing.records())
            result = CliRunner().invoke(main, line.split()[1:])
            assert result.exit_code == 0, result.output
            assert ("would be moved" in result.output) == ("--dry-run" in line)
            assert (len(importing.records()) > before) == ("--dry-run" not in line)
    assert [(row[0], row[1]) for row in importing.records()] == [
        ("invoice", {"order_id": 1}),
        ("letter", {"text": "a"}),
        ("invoice", {"order_id": 2}),
        ("letter", {"order_id": 3, "text": None}),
    ]
