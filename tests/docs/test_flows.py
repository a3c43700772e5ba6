"""The examples of docs/flows.md do what the page says."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.authoring import registry
from tasks.authoring.flow import Flow, FlowOptions
from tests.support.documents import code_blocks
from tests.support.flow_runs import Worker

DOCUMENT = "docs/flows.md"
BLOCKS = code_blocks(DOCUMENT, "python")


class Examples:
    def __init__(self, worker: Worker, flows: dict[str, Flow], names: dict[str, Any]) -> None:
        self.worker = worker
        self.flows = flows
        self.names = names

    def process(self, flow_name: str, *payloads: Any) -> list[Any]:
        flow = self.flows[flow_name]
        record_ids = self.worker.enqueue(flow_name, payloads)
        self.worker.run(flow)
        return self.worker.rows(record_ids)


@pytest.fixture
def examples(worker: Worker) -> Iterator[Examples]:
    from queue_store.flows import register
    from tasks.worker.services import declaration

    names: dict[str, Any] = {"__name__": "flows_of_the_page"}
    with registry.empty_registry():
        for block in BLOCKS:
            exec(compile(block.code, str(block), "exec"), names)  # noqa: S102
        flows = {flow.name: flow for flow in registry.all_flows()}
        with worker.services.database.transaction() as cursor:
            register(cursor, [declaration(flow, worker.services.settings) for flow in flows.values()])
        worker.query("CREATE TABLE invoices (record_id bigint, amount integer)")
        yield Examples(worker, flows, names)
        worker.query("DROP TABLE invoices")


def test_every_option_is_shown_by_an_example() -> None:
    shown = "\n".join(block.code for block in BLOCKS)
    assert [option for option in FlowOptions.__annotations__ if f"{option}=" not in shown] == []


def test_greet(examples: Examples) -> None:
    assert examples.process("greet", {"name": "Ada"})[0].result == "Hello, Ada"


def test_remind(examples: Examples) -> None:
    payloads = ({"customer_id": 1}, {"$version": 2, "customer_id": 1, "language": "fr"}, {"customer_id": "x"})
    rows = examples.process("remind", *payloads)
    assert [row.result for row in rows] == ["en", "fr", None]
    assert rows[2].error_message == "payload.customer_id: Expected `int`, got `str`"


def test_send_invoice_and_book(examples: Examples) -> None:
    examples.process("send_invoice", {"amount": 7})
    rows = examples.process("book", {"amount": 3}, {"amount": 0}, {"amount": 4})
    assert [row.status for row in rows] == ["completed", "failed", "completed"]
    amounts = examples.worker.query("SELECT amount FROM invoices ORDER BY record_id")
    assert [row.amount for row in amounts] == [7, 3, 4]


@pytest.mark.parametrize("flow_name", ["fetch", "fetch_in_threads"])
def test_fetch(examples: Examples, flow_name: str) -> None:
    assert [row.result for row in examples.process(flow_name, {"n": 2}, {"n": 3})] == [4, 6]


def test_count_click(examples: Examples) -> None:
    assert examples.flows["count_click"].express
    assert [row.status for row in examples.process("count_click", {}, {})] == ["completed", "completed"]


def test_look_up(examples: Examples) -> None:
    whats = ("away", "slow", "nonsense", "unknown", "early")
    rows = examples.process("look_up", *({"what": what} for what in whats))
    assert [row.status for row in rows] == ["pending", "pending", "failed", "failed", "pending"]
    delays = [round((row.scheduled_at - row.updated_at).total_seconds()) for row in rows]
    assert (delays[0], delays[1], delays[4]) == (10, 30, 3600)


def test_compute(examples: Examples) -> None:
    rows = examples.process("compute", {"slow": False}, {"slow": True})
    assert [row.status for row in rows] == ["completed", "failed"]


def test_import_rows(examples: Examples) -> None:
    examples.process("import_rows", {"rows": 201})
    assert examples.worker.query("SELECT progress FROM record_progress")[0].progress == {
        "done": 200,
        "of": 201,
    }
    assert examples.worker.query("SELECT dedup_key FROM processing_queue WHERE flow_name = 'greet'")[
        0
    ].dedup_key


def test_watched(examples: Examples) -> None:
    examples.process("watched", {"n": 6, "by": 2}, {"n": 1, "by": 0})
    assert examples.names["seen"] == ["before", "after 3", "before", "failed, for good"]


def test_apply_change(examples: Examples) -> None:
    assert examples.flows["apply_change"].failure_blocks_key
    assert examples.process("apply_change", {})[0].status == "completed"


def test_nightly_report(examples: Examples) -> None:
    row = examples.process("nightly_report", {"report": "daily"})[0]
    assert row.result == f"daily of {row.scheduled_at:%Y-%m-%d}"


def test_thumbnails(examples: Examples) -> None:
    flow = examples.flows["thumbnails"]
    assert SimpleNamespace(queue=flow.queue, max_runs=flow.max_runs) == SimpleNamespace(
        queue="slow", max_runs=2
    )


def test_bill_tenant_sees_its_tenant_only(examples: Examples) -> None:
    for statement in (
        "CREATE TABLE bills (tenant text)",
        "INSERT INTO bills VALUES ('north'), ('south'), ('south')",
        "ALTER TABLE bills ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY own ON bills USING (tenant = current_setting('app.tenant'))",
        "DROP ROLE IF EXISTS billing",
        "CREATE ROLE billing",
        "GRANT SELECT ON bills TO billing",
    ):
        examples.worker.query(statement)
    try:
        rows = examples.process("bill_tenant", {"tenant": "south"}, {"tenant": "north"}, {"tenant": "east"})
    finally:
        examples.worker.query("DROP TABLE bills")
        examples.worker.query("DROP ROLE billing")
    assert [(row.status, row.result) for row in rows] == [
        ("completed", 2),
        ("completed", 1),
        ("completed", 0),
    ]
