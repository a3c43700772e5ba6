"""`queuectl schema` shows the JSON schema of a flow's payloads, for producers without the flow's code."""

import json
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from tasks.cli import main
from tests.authoring.typed_payloads import KINDS, STORED, WRONG, ModelOrder, handler_of
from tests.support.flow_runs import Worker


def call(*arguments: str, exit_code: int = 0) -> Result:
    result = CliRunner().invoke(main, ["schema", *arguments])
    assert result.exit_code == exit_code, result.output
    return result


def has_rejected(schema: dict[str, Any], payload: Any) -> bool:

    return not jsonschema.Draft202012Validator(schema).is_valid(payload)


@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_what_the_handler_takes(worker: Worker, kind: str) -> None:
    worker.declare(handler_of(KINDS[kind].order, print))
    schema = json.loads(call("send_invoice").stdout)
    assert not has_rejected(schema, STORED)
    assert has_rejected(schema, WRONG)
    assert has_rejected(schema, {})


def test_the_version_has_to_be_said(worker: Worker) -> None:
    worker.declare(handler_of(ModelOrder, print), version=2, upgrade={1: dict})
    document = json.loads(call("send_invoice", "--json").stdout)
    assert (document["flow_name"], document["version"]) == ("send_invoice", 2)
    assert has_rejected(document["schema"], STORED)
    assert not has_rejected(document["schema"], STORED | {"$version": 2})
    assert "Version 2" in call("send_invoice").stderr


def test_a_flow_without_a_type_and_no_flow(worker: Worker) -> None:
    worker.declare(handler_of(dict, print))
    assert "any JSON" in call("send_invoice", exit_code=1).output
    assert json.loads(call("send_invoice", "--json").stdout)["schema"] is None
    assert "did you mean send_invoice?" in call("send_invoise", exit_code=1).output
