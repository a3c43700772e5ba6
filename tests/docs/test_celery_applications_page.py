"""The examples of docs/celery-applications.md do what the page says, and each supported option has its test."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tasks.authoring.registry import empty_registry
from tests.durable_tasks.conftest import make_known
from tests.support.documents import ROOT, code_blocks, table_rows
from tests.support.flow_runs import Worker

PAGE = "docs/celery-applications.md"
TESTS = "\n".join(path.read_text() for path in Path(ROOT, "tests/durable_tasks").glob("test_*.py"))


@pytest.fixture
def registry() -> Iterator[None]:
    with empty_registry():
        yield


@pytest.mark.usefixtures("registry")
def test_the_blocks_do_what_they_say(
    worker: Worker, redis_url: str, redis_client: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {
        "__name__": "shop",
        "broker_url": redis_url,
        "database": worker.services.database,
    }

    def run_the_worker() -> None:
        worker.run(worker.services.flows["shop.send_invoice"])

    names["run_the_worker"] = run_the_worker
    for block in code_blocks(PAGE, "python"):
        exec(compile(block.code, str(block), "exec"), names)  # noqa: S102  (our own documentation)
        names["app"].load_tasks()
        make_known(worker, *names["app"].tasks)
    assert redis_client.llen("celery") == 0


ROWS = [row for row in table_rows(PAGE) if row[-1].startswith("`test_")]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_each_supported_option_has_its_test(row: list[str]) -> None:
    (name,) = re.findall(r"`(\w+)`", row[2])
    assert f"def {name}(" in TESTS
