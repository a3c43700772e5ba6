"""Runs the commands and the code that a reader copies from the README and from the page for Celery users, in order.
Only the `pip` and `make` commands are left out."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from queue_store.database.manager import DatabaseManager
from tests.docs.deployment import Deployment, is_deployment, program
from tests.support.documents import ROOT, CodeBlock, code_blocks, linked_files
from tests.workers.processes import running_worker, wait_until

PAGES = ["README.md", "docs/coming-from-celery.md"]


@pytest.fixture
def shop(database: DatabaseManager) -> Iterator[DatabaseManager]:
    """The tables of the application in the examples, and records that exist already."""
    with database.transaction() as cursor:
        cursor.execute("CREATE TABLE orders (id bigint PRIMARY KEY)")
        cursor.execute(
            "CREATE TABLE invoices (id bigint GENERATED ALWAYS AS IDENTITY, order_id bigint NOT NULL)"
        )
        cursor.execute(
            "CREATE TABLE jobs (order_id bigint, status text, created_at timestamptz DEFAULT now())"
        )
        cursor.execute(
            "INSERT INTO jobs (order_id, status) VALUES (7, 'waiting'), (8, 'done'), (9, 'running')"
        )
        # The README shows record 1, so the next id must be 1.
        cursor.execute("SELECT setval(pg_get_serial_sequence('processing_queue', 'id'), 1, false)")
    yield database
    with database.transaction() as cursor:
        cursor.execute("DROP TABLE orders, invoices, jobs")


def is_flow_module(block: CodeBlock) -> bool:
    return "@flow" in block.code


@pytest.mark.timeout(300)  # five Celery processes start, on a machine that may be busy
@pytest.mark.parametrize("page", PAGES)
def test_the_page_works_from_top_to_bottom(
    page: str, shop: DatabaseManager, settings_environment: dict[str, str], tmp_path: Path
) -> None:
    flow_blocks = [b for b in code_blocks(page, "python") if is_flow_module(b)]
    (tmp_path / "shop").mkdir()
    for module in ("shop_flows.py", "shop/flows.py"):
        (tmp_path / module).write_text("\n\n".join(block.code for block in flow_blocks))
    environment = settings_environment | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    log = tmp_path / "worker.log"
    settings = {"IDLE_POLL_SECONDS": "0.3"}
    with running_worker(environment, log, concurrency=1, flows="shop_flows", settings=settings):
        wait_until(lambda: registered(shop, "send_invoice"), "the flow", log)
        names: dict[str, Any] = {"engine": shop.engine, "text": text}
        for block in code_blocks(page):
            run_block(block, names, shop, environment)
            if is_deployment(block):
                Deployment(shop, environment, tmp_path).run(block)
        wait_until(lambda: live_count(shop) == 0, "the due records", log, 60)
    assert statuses(shop) <= {"completed", "pending"}
    assert orders_with_invoice(shop) == ({4711, 4712} if page == "README.md" else {1, 7, 9})


def run_block(
    block: CodeBlock, names: dict[str, Any], shop: DatabaseManager, environment: dict[str, str]
) -> None:
    if block.language == "python" and not is_flow_module(block):
        exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  (our own documentation)
    elif block.language == "sql":
        with shop.transaction() as cursor:
            cursor.execute(block.code.encode())
    elif block.language == "shell":
        for line in block.code.strip().splitlines():
            if not line.startswith("make "):
                run_queuectl(line, environment)


def run_queuectl(line: str, environment: dict[str, str]) -> None:
    assert line.startswith("queuectl "), line
    done = subprocess.run(
        program(line), env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"


def registered(shop: DatabaseManager, name: str) -> bool:
    with shop.transaction() as cursor:
        return bool(
            cursor.execute("SELECT 1 FROM flows WHERE flow_name = %(name)s", {"name": name}).fetchone()
        )


def live_count(shop: DatabaseManager) -> int:
    query = "SELECT count(*) FROM processing_queue WHERE status IN ('pending', 'processing') AND scheduled_at <= now()"
    with shop.transaction() as cursor:
        return cursor.execute(query).fetchone()[0]  # type: ignore[index]


def statuses(shop: DatabaseManager) -> set[str]:
    with shop.transaction() as cursor:
        return {row[0] for row in cursor.execute("SELECT DISTINCT status FROM processing_queue").fetchall()}


def orders_with_invoice(shop: DatabaseManager) -> set[int]:
    with shop.transaction() as cursor:
        return {row[0] for row in cursor.execute("SELECT order_id FROM invoices").fetchall()}


def test_the_make_commands_of_the_readme_are_the_ones_that_ci_runs() -> None:
    commands = [
        line
        for b in code_blocks("README.md", "shell")
        for line in b.code.splitlines()
        if line.startswith("make")
    ]
    assert commands == ["make run", "make test"]
    steps = (ROOT / ".ci/run").read_text()
    assert ".ci/first_run\n" in steps
    assert re.search(r"git clone .*\n.*\n.* make .*run ONCE=1\n", (ROOT / ".ci/first_run").read_text())
    assert re.search(r"make test$", steps, re.MULTILINE)


@pytest.mark.parametrize(
    "page",
    sorted(
        str(p.relative_to(ROOT))
        for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/decisions/*.md")]
    ),
)
def test_every_file_that_a_page_names_exists(page: str) -> None:
    assert [path for path in linked_files(page) if not (ROOT / path).exists()] == []


def test_every_setting_that_the_readme_names_exists() -> None:
    known = (ROOT / "queue_store/settings.py").read_text()
    named = re.findall(
        r"(?:GLOBAL_RPA_DB|DISTRIBUTED_PROCESSOR|…)_([A-Z_]+)`", (ROOT / "README.md").read_text()
    )
    assert named
    assert [name for name in named if f"    {name.lower()}:" not in known] == []


@pytest.mark.parametrize(
    "page", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("compose/*.md")])
)
def test_examples_use_the_one_name_that_is_installed(page: Path) -> None:
    blocks = [block.code for block in code_blocks(str(page.relative_to(ROOT)))]
    by_folder = re.compile(r"(?:from|import) (?:tasks|queue_store)\b|celery (?:-A|--app)[ =]tasks")
    assert [code for code in blocks if by_folder.search(code)] == []
