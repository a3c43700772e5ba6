"""Each decision record has the same sections, is listed, and names its tests."""

import re
from pathlib import Path

import pytest

from tests.support.documents import ROOT, linked_files

RECORDS = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
SECTIONS = ["Context", "Decision", "Consequences", "Alternatives"]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_record_has_its_sections_in_order_and_names_a_test(record: Path) -> None:
    text = record.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == SECTIONS
    assert re.match(r"# \d+\. .+\n\n\*\*Status:\*\* (accepted|replaced by \[.+\]\(.+\)), .+\.\n", text)
    tested_by = text.partition("**Tested by**")[2]
    assert re.search(r"`tests/[\w/]+(\.py|/)`", tested_by)


def test_the_list_names_each_record_once_in_order() -> None:
    listed = [Path(file) for file in linked_files("docs/decisions/README.md")]
    assert [ROOT / file for file in listed] == RECORDS
    numbers = [int(record.name[:4]) for record in RECORDS]
    assert numbers == list(range(1, len(RECORDS) + 1))
