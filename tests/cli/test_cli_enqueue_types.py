"""`queuectl enqueue` refuses payloads that do not fit the type of the flow. It checks payloads with the flow's code or,
if that code is not loaded, with the stored schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tasks.authoring.registry import empty_registry, register
from tasks.cli import main
from tests.authoring.typed_payloads import KINDS, PATH, STORED, WRONG, Kind, ModelOrder, handler_of
from tests.support.flow_runs import Worker

MISSING = STORED | {"lines": [{"sku": "a"}]}


@pytest.fixture(autouse=True)
def own_flows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("queue_store.enqueueing.hints.CeleryHintSender.send", lambda *_: True)
    with empty_registry():
        yield


def enqueue(*payloads: Any, options: tuple[str, ...] = (), exit_code: int = 0) -> Result:
    lines = "\n".join(json.dumps(payload) for payload in payloads)
    arguments = ["enqueue", "-", "--flow", "send_invoice", "--format", "jsonl", *options]
    result = CliRunner().invoke(main, arguments, input=lines)
    assert result.exit_code == exit_code, result.output
    return result


def stored(worker: Worker) -> list[Any]:
    return [row.payload for row in worker.query("SELECT payload FROM processing_queue ORDER BY id")]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_stored_schema_refuses_with_the_line_and_the_place(worker: Worker, kind: Kind) -> None:
    worker.declare(handler_of(kind.order, print))
    said = enqueue(STORED, WRONG, MISSING, STORED, exit_code=1).stderr
    assert f"line 2: {PATH}: must be integer, not string (checked by the stored schema" in said
    assert f"line 3: {PATH}: a required field is missing" in said
    assert "Nothing was enqueued." in said
    assert stored(worker) == []
    assert "1 record enqueued" in enqueue(STORED).stdout
    assert stored(worker) == [STORED]


def test_a_dry_run_and_json_tell_the_same_and_what_is_skipped_is_told(worker: Worker) -> None:
    worker.declare(handler_of(ModelOrder, print))
    problems = json.loads(enqueue(WRONG, options=("--dry-run", "--json"), exit_code=1).stdout)["problems"]
    assert [(p["line"], p["problem"].partition(":")[0]) for p in problems] == [(1, PATH)]
    done = json.loads(enqueue(WRONG, STORED, options=("--skip-invalid", "--json")).stdout)
    assert (done["enqueued"], done["skipped_lines"]) == (1, 1)
    assert stored(worker) == [STORED]


def test_each_of_many_lines_is_checked_and_problems_are_in_their_order(worker: Worker) -> None:
    worker.declare(handler_of(ModelOrder, print))
    lines = [STORED] * 450
    lines[3] = lines[249] = lines[449] = WRONG
    result = enqueue(*lines, {"a": 2**70}, options=("--skip-invalid", "--json"))
    done = json.loads(result.stdout)
    assert [p["line"] for p in done["problems"]] == [4, 250, 450, 451]
    assert done["enqueued"] == len(stored(worker)) == 447


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_the_code_decides_where_it_is_loaded(worker: Worker, kind: Kind) -> None:
    register(worker.declare(handler_of(kind.order, print)))
    said = enqueue(STORED, MISSING, exit_code=1).stderr
    assert f"line 2: {PATH}" in said
    assert "stored schema" not in said
    assert stored(worker) == []


def test_the_code_converts_as_the_worker_does(worker: Worker) -> None:
    flow = worker.declare(handler_of(ModelOrder, print))
    as_text = STORED | {"order_id": "17"}
    assert "payload.order_id: must be integer, not string" in enqueue(as_text, exit_code=1).stderr
    register(flow)
    enqueue(as_text)
    worker.run(flow)
    assert worker.statuses() == {"completed": 1}


def test_a_flow_without_a_type_imports_no_code(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVELOPMENT_DISTRIBUTED_PROCESSOR_FLOW_MODULES", "no_such_module")
    worker.declare(handler_of(dict, print))
    enqueue({"a": "anything"})
    worker.declare(handler_of(ModelOrder, print))
    assert "FLOW_MODULES names no_such_module" in enqueue(STORED, exit_code=1).stderr


def test_the_help_says_what_is_checked() -> None:
    said = " ".join(CliRunner().invoke(main, ["enqueue", "--help"]).output.split())
    assert "does not fit the type of the flow's payload" in said
    assert "the schema that is stored in the database checks the line, and no value is converted" in said


def test_a_csv_field_is_text_and_the_way_out_is_named(worker: Worker, tmp_path: Path) -> None:
    worker.declare(handler_of(ModelOrder, print))
    path = tmp_path / "orders.csv"
    path.write_text("order_id,due\n17,2027-01-31\n")
    result = CliRunner().invoke(main, ["enqueue", str(path), "--flow", "send_invoice"])
    assert result.exit_code == 1
    assert "--numbers, or name the flow's module in FLOW_MODULES" in result.stderr
