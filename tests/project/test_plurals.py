"""Texts use the singular or the plural that fits a count. No text puts the ending of a plural in brackets."""

import re

import pytest

from queue_store.plural import plural, word
from tests.support.documents import ROOT

IN_BRACKETS = re.compile(r"[a-z]\((?:s|es)\)")
PLACES = ("queue_store", "tasks", "tests/chaos")
SUFFIXES = {".py", ".sql", ".js", ".html", ".md", ".txt"}


def test_no_text_of_the_program_has_a_plural_in_brackets() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for place in PLACES
        for path in (ROOT / place).rglob("*")
        if path.suffix in SUFFIXES
        for line in path.read_text().splitlines()
        if IN_BRACKETS.search(line)
    }
    assert found == set()


def test_no_page_has_a_plural_in_brackets() -> None:
    pages = [ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").glob("*.md")]
    assert [page.name for page in pages if IN_BRACKETS.search(page.read_text())] == []


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 records are"), (1, "1 record is"), (2, "2 records are"), (1000, "1,000 records are")],
)
def test_the_noun_and_the_verb_follow_the_count(count: int, said: str) -> None:
    assert f"{plural(count)} {word(count, 'is', 'are')}" == said


def test_a_plural_of_its_own() -> None:
    assert plural(1, "process", "processes") == "1 process"
    assert plural(3, "process", "processes") == "3 processes"
