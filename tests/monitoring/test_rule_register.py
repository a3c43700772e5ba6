"""Every rule is registered under the code of its findings, and JUDGED_CODES contains every registered code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.monitoring.rules import JUDGED_CODES
from tasks.monitoring.rules.register import RETIRED_CODES, registered_codes

RULES = Path(__file__).parents[2] / "tasks/monitoring/rules"
FUNCTIONS = [
    node
    for path in sorted(RULES.glob("*_rules.py"))
    for node in ast.parse(path.read_text()).body
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
]


def text_of(call: ast.Call, keyword: str) -> Iterator[str]:
    yield from (
        str(k.value.value) for k in call.keywords if k.arg == keyword and isinstance(k.value, ast.Constant)
    )


def calls(function: ast.FunctionDef, name: str) -> list[ast.Call]:
    found = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    return [call for call in found if isinstance(call.func, ast.Name) and call.func.id == name]


@pytest.mark.parametrize(
    "function", [f for f in FUNCTIONS if calls(f, "Finding")], ids=lambda function: function.name
)
def test_a_rule_is_registered_by_the_code_of_its_findings(function: ast.FunctionDef) -> None:
    (decorator,) = function.decorator_list
    assert isinstance(decorator, ast.Call)
    (code,) = decorator.args
    assert isinstance(code, ast.Constant)
    assert {text for call in calls(function, "Finding") for text in text_of(call, "code")} == {code.value}


def test_every_registered_and_every_retired_code_is_judged() -> None:
    assert set(JUDGED_CODES) == {*registered_codes(), *RETIRED_CODES}
    assert len(registered_codes()) >= 26
    assert set(registered_codes()) & set(RETIRED_CODES) == set()
