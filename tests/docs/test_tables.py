"""Every row of a table stands on a line of its own and has as many cells as the header of the table."""

import re
from pathlib import Path

import pytest

from tests.workers.processes import ROOT

PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/**/*.md", "compose/*.md")
    for page in ROOT.glob(pattern)
)
CELL_ENDS = re.compile(r"(?<!\\)\|")


def tables(text: str) -> list[list[str]]:
    """The lines of each table, down to the next empty line. Leaves out code blocks."""
    without_code = re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)
    paragraphs = [paragraph.split("\n") for paragraph in re.split(r"\n\s*\n", without_code)]
    return [
        [line.strip() for line in lines if line.strip()] for lines in paragraphs if lines[0].startswith("|")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_row_is_broken(page: Path) -> None:
    for head, *rows in tables(page.read_text()):
        broken = [row for row in rows if len(CELL_ENDS.findall(row)) != len(CELL_ENDS.findall(head))]
        assert broken == []
