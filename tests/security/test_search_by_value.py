"""A search by the value of a payload field reveals which records hold that value, even if payloads are hidden.
SECURITY.md and docs/watching.md say so."""

import pytest

from tests.support.documents import ROOT
from tests.support.flower_process import FlowerProcess
from tests.support.page_flower import flower, page_database_url

__all__ = ["flower", "page_database_url"]


def test_it_finds_what_the_page_does_not_show(flower: FlowerProcess) -> None:
    found = flower.ask("/queue/api/records?payload_key=respondent_id&payload_value=17").json["records"]
    assert [record["id"] for record in found] == [17]
    shown = flower.ask("/queue/api/record?id=17").json["record"]
    assert shown["payload"]["respondent_id"] == "number"


@pytest.mark.parametrize("page", ["SECURITY.md", "docs/watching.md"])
def test_the_pages_say_so(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    assert "search by value reveals whether" in text or "find out a hidden value" in text
