"""A type checker refuses a call of a flow's `enqueue` method if the payload has the wrong type. Right calls pass."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parent / "enqueue_by_function.py"
IGNORED = re.compile(r"  # pyright: ignore\[(\w+)\]")
ROOT = Path(__file__).parents[2]


def found_by_pyright(path: Path) -> list[tuple[int, str]]:
    """The line and the rule of each error."""
    done = subprocess.run(
        [Path(sys.executable).parent / "pyright", "--outputjson", "--pythonpath", sys.executable, path],
        capture_output=True, text=True, cwd=ROOT, timeout=110,
    )  # fmt: skip
    errors: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    return [(error["range"]["start"]["line"], error.get("rule", "")) for error in errors]


@pytest.mark.long
def test_each_wrong_line_is_refused_and_no_other() -> None:
    text = FILE.read_text()
    expected = [
        (number, rule[1]) for number, line in enumerate(text.splitlines()) if (rule := IGNORED.search(line))
    ]
    assert len(expected) > 10
    bare = FILE.with_name("enqueue_by_function_bare.py")
    bare.write_text(IGNORED.sub("", text))
    try:
        found = found_by_pyright(bare)
    finally:
        bare.unlink()
    assert sorted(set(found)) == expected
