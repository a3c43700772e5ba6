"""The page for contributors shows the arrows, statuses, files and names that the code has."""

import ast
import re
from functools import cache

import pytest

from tests.support.documents import ROOT, table_rows

PAGE = (ROOT / "docs/architecture.md").read_text()
ARROWS = {path.name: path for path in (ROOT / "queue_store/sql/arrows").glob("*.sql")}
CODE = re.compile(r"`([^`]+)`")
WALK = re.compile(r"^### (.+)\n\n((?:\d+\. .+\n)+)", re.MULTILINE)


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows_of(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def walks() -> dict[str, list[str]]:
    return {
        title: re.findall(r"^\d+\. `([^`]+)`", steps, re.MULTILINE) for title, steps in WALK.findall(PAGE)
    }


@cache
def statuses() -> set[str]:
    """The statuses that the schema's CHECK constraint allows."""
    schema = "\n".join(path.read_text() for path in (ROOT / "queue_store").rglob("*.sql"))
    (check,) = set(re.findall(r"CHECK \(status IN \(('pending', 'processing'[^)]*)\)\)", schema))
    return set(re.findall(r"'(\w+)'", check))


@cache
def names_of_the_code() -> set[str]:
    """Every function and class, and every method as Class.method."""
    names: set[str] = set()
    for path in [*(ROOT / "queue_store").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{m.name}" for m in node.body if isinstance(m, ast.FunctionDef)}
    return names


def test_the_table_has_a_row_for_each_statement_file_and_no_other() -> None:
    assert sorted(CODE.findall(row[2])[0] for row in rows_of("Arrows")) == sorted(ARROWS)


@pytest.mark.parametrize("row", rows_of("Arrows"), ids=lambda row: row[2])
def test_each_row_says_what_its_statement_does_and_who_sends_it(row: list[str]) -> None:
    arrows, change, statement, sender, _ = row
    path = ARROWS[CODE.findall(statement)[0]]
    heading = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("--"))
    assert heading.startswith(f"-- {arrows.partition(',')[0]}")
    before, after = change.split("→")
    assert set(re.findall(r"\w+", change)) <= statuses()
    assert [arrow for arrow in re.findall(r"\w+", arrows) if arrow not in heading.lower()] == []
    if before.strip() and after.strip():
        first = re.findall(r"\w+", after)[0]
        assert f"{before.strip()} → {first}" in heading
    named = CODE.findall(sender)
    files = [name for name in named if name.endswith(".py")]
    assert files
    assert [file for file in files if f'"arrows/{path.stem}"' not in (ROOT / file).read_text()] == []
    assert [name for name in named if name not in files and name not in names_of_the_code()] == []


def test_the_diagram_and_the_glossary_show_the_statuses_of_the_schema() -> None:
    assert set(re.findall(r"│ (\w+) │", section("States"))) == statuses()
    record = next(row for row in table_rows("docs/glossary.md") if row[0] == "record")
    assert set(CODE.findall(record[1])) - {"processing_queue"} == statuses()


def test_the_diagram_shows_every_arrow() -> None:
    diagram = section("States")
    arrows = {arrow for row in rows_of("Arrows") for arrow in re.findall(r"\w+", row[0])}
    assert [arrow for arrow in sorted(arrows) if arrow not in diagram] == []


def test_there_are_three_walks() -> None:
    assert len(walks()) == 3


@pytest.mark.parametrize("title", walks())
def test_a_walk_enters_each_file_once_and_each_exists(title: str) -> None:
    files = walks()[title]
    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert len(set(files)) == len(files)


def test_each_word_is_explained_once_and_in_order() -> None:
    words = [row[0].replace("`", "").lower() for row in table_rows("docs/glossary.md")[2:]]
    assert words == sorted(set(words))
