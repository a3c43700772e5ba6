"""The quick troubles of `make drill`: each trouble is found within seconds, its alert is resolved, and nothing else is
found."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tasks.monitoring.rules import RULE_FAILED, registered_codes
from tests.drill import troubles
from tests.drill.run import Drills, drills
from tests.drill.trouble import TROUBLES

pytestmark = pytest.mark.long

QUICK = [trouble.name for trouble in TROUBLES.values() if trouble.is_quick]


@pytest.fixture(scope="module")
def running() -> Iterator[Drills]:
    with drills() as running:
        yield running


@pytest.mark.parametrize("name", QUICK)
def test_a_trouble_is_told_as_what_it_is_and_as_nothing_else(name: str, running: Drills) -> None:
    drilled = running.run(TROUBLES[name])
    assert drilled.is_good, drilled


def test_the_drill_hears_silence_and_a_wolf(running: Drills) -> None:
    mistaken = replace(
        TROUBLES["somebody disables a trigger of the schema"],
        codes=frozenset({"wrong_counts"}),
        says="",
        seconds=1,
    )
    drilled = running.run(mistaken)
    assert drilled.found_seconds is None
    assert drilled.wrong["during"][0].startswith("corruption: The queue holds data that must not be in it")


def test_each_finding_has_its_trouble() -> None:
    drilled = {code for trouble in TROUBLES.values() for code in trouble.codes}
    # RULE_FAILED reports a fault of the program itself. tests/security/test_notes_in_the_broker.py causes this
    # finding.
    assert set(registered_codes()) - drilled == {RULE_FAILED}


def test_eleven_are_quick() -> None:
    assert troubles.__all__
    assert len(QUICK) == 11
