"""The modules and the direction of their imports match the design."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LIMIT_LINES = 250
FUNCTION_LIMIT_LINES = 40
TOP_LEVEL = {
    ".ci", ".editorconfig", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "Makefile", "README.md", "SECURITY.md", "benchmarks", "celeryconfig.py", "compose", "docs", "findings",
    "hatch_build.py", "pyproject.toml", "queue_store", "requirements-build.lock", "requirements-dev.lock",
    "requirements-embedded.lock", "requirements.lock", "tasks", "tests",
}  # fmt: skip


def tracked() -> list[Path]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listing.split("\0") if name]


def test_nothing_stands_at_the_top_that_the_design_does_not_name() -> None:
    assert {path.parts[0] for path in tracked()} - TOP_LEVEL == set()


def test_imports_go_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    answer = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_celeryconfig_names_tasks_by_string_only() -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / "celeryconfig.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert "tasks" not in imported


@pytest.mark.parametrize("package", ["queue_store", "tasks"])
def test_no_file_grows_beyond_what_one_reads_at_once(package: str) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (ROOT / package).rglob("*.py")}
    assert {path.name: length for path, length in lengths.items() if length > FILE_LIMIT_LINES} == {}


PRIVATE_IN_TEXT = re.compile(r"\b(?:queue_store|tasks|processing_queue)(?:\.\w+)*\._[a-z]\w*")


# Private names of other libraries: of named tuples, psycopg and Celery.
OF_OTHERS = ("_replace", "_start_copy_gen", "_task_from_fun")


def private_names(path: Path) -> Iterator[str]:
    """Yields the private names that a test imports, reads or patches in other modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            yield from (name.name for name in node.names if re.match(r"_[a-z]", name.name))
        elif isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr):
            owner = node.value
            is_own = isinstance(owner, ast.Name) and owner.id in ("self", "cls", "os")
            if not is_own and node.attr not in OF_OTHERS:
                yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from PRIVATE_IN_TEXT.findall(node.value)


def test_tests_use_public_names_only() -> None:
    used = {path.name: list(private_names(path)) for path in (ROOT / "tests").rglob("*.py")}
    assert {name: names for name, names in used.items() if names} == {}


@pytest.mark.parametrize("package", ["queue_store", "tasks"])
def test_no_function_is_longer_than_one_reads_at_once(package: str) -> None:
    long = {}
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                if length > FUNCTION_LIMIT_LINES:
                    long[f"{path.name}: {node.name}"] = length
    assert long == {}


SENT_IN_TASKS = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH)\s")


def test_the_statements_of_tasks_stand_in_the_store() -> None:
    found = [
        (path.name, node.lineno)
        for path in (ROOT / "tasks").rglob("*.py")
        if path.parent.name != "flows"  # except the sample, which is written like an application
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SENT_IN_TASKS.match(node.value)
    ]
    assert found == []
