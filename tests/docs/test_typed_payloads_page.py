"""The blocks of docs/typed-payloads.md do what the page says."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from queue_store.flows import register
from tasks.authoring import registry
from tasks.cli import main
from tasks.worker.services import declaration
from tests.support.documents import code_blocks
from tests.support.flow_runs import Worker

PAGE = "docs/typed-payloads.md"


@pytest.fixture
def page(worker: Worker) -> Iterator[dict[str, Any]]:
    """The names that the blocks define. The blocks are run one after the other, and the flows are registered,
    as in an application."""
    services = worker.services
    names: dict[str, Any] = {"__name__": "typed_page", "engine": services.database.engine}
    with registry.empty_registry():
        for block in code_blocks(PAGE):
            if block.language == "python":
                exec(compile(block.code, str(block), "exec"), names)  # noqa: S102
                with services.database.transaction() as cursor:
                    register(cursor, [declaration(flow, services.settings) for flow in registry.all_flows()])
            elif block.language == "sql":
                for statement in block.code.split(";\n"):
                    worker.query(statement) if statement.strip() else None
            else:
                for line in block.code.splitlines():
                    result = CliRunner().invoke(main, line.split()[1:])
                    assert result.exit_code == 0, result.output
        yield names


def test_the_blocks_do_what_they_say(page: dict[str, Any], worker: Worker) -> None:
    for flow in registry.all_flows():
        worker.run(flow)
    assert worker.statuses() == {"completed": 9}
    results = worker.query("SELECT flow_name, result FROM processing_queue ORDER BY id")
    assert [row.result for row in results if row.flow_name == "send_invoice"] == [2, 2, 2, 0]
    assert [row.result for row in results if row.flow_name == "pack"] == [1]
    assert [row.result for row in results if row.flow_name == "send_refund"] == ["CHF", "EUR", "EUR", "USD"]
    assert page["new"].id < page["old"].id
