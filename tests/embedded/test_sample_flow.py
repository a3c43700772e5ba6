"""Tests what the sample flow derives from answers, and which answers it refuses."""

from typing import Any

import pytest

from tasks import PermanentError
from tasks.embedded.sample import read_answers
from tasks.flows.survey_processor import (
    INCOME_BANDS_THOUSANDS,
    SCALES,
    RegistryUnreachableError,
    derive,
    survey_processor,
    validate,
)
from tests.support.flow_runs import Worker

ANSWERS = {
    "respondent_id": 1, "tv_news": 3, "self_lr": 4, "clin_lr": 4, "dole_lr": 4, "pid": 3, "age": 40, "educ": 4,
    "income": 12, "vote": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("answers", "derived"),
    [
        ({"self_lr": 7, "clin_lr": 1, "dole_lr": 6, "vote": 1}, (6, 1, "dole", True)),
        ({"self_lr": 7, "clin_lr": 1, "dole_lr": 6, "vote": 0}, (6, 1, "dole", False)),
        ({"self_lr": 2, "clin_lr": 3, "dole_lr": 7, "vote": 0}, (1, 5, "clinton", True)),
        ({"self_lr": 2, "clin_lr": 3, "dole_lr": 7, "vote": 1}, (1, 5, "clinton", False)),
        ({"self_lr": 4, "clin_lr": 2, "dole_lr": 6, "vote": 0}, (2, 2, "both", True)),
        ({"self_lr": 4, "clin_lr": 2, "dole_lr": 6, "vote": 1}, (2, 2, "both", True)),
    ],
)
def test_the_distances_the_nearer_candidate_and_whether_the_vote_fits(
    answers: dict[str, int], derived: tuple[Any, ...]
) -> None:
    result = derive(ANSWERS | answers)
    assert (
        result["distance_to_clinton"], result["distance_to_dole"], result["nearest_candidate"],
        result["vote_is_consistent"],
    ) == derived  # fmt: skip


@pytest.mark.parametrize(
    ("income", "dollars"), [(1, 1_500), (2, 4_000), (12, 18_500), (23, 97_500), (24, 117_500)]
)
def test_the_middle_of_the_income_band_in_dollars(income: int, dollars: int) -> None:
    assert derive(ANSWERS | {"income": income})["income_midpoint_dollars"] == dollars


def test_every_income_band_has_two_ends_that_ascend() -> None:
    assert len(INCOME_BANDS_THOUSANDS) == SCALES["income"][1] + 1
    assert sorted(set(INCOME_BANDS_THOUSANDS)) == list(INCOME_BANDS_THOUSANDS)


@pytest.mark.parametrize("question", sorted(SCALES))
def test_both_ends_of_a_scale_are_on_it_and_nothing_beyond(question: str) -> None:
    lowest, highest = SCALES[question]
    for value in (lowest, highest):
        assert validate(ANSWERS | {question: value})[question] == value
    for value in (lowest - 1, highest + 1):
        with pytest.raises(
            PermanentError, match=f"{question} is {value}, but the scale is {lowest} to {highest}"
        ):
            validate(ANSWERS | {question: value})


@pytest.mark.parametrize("value", [None, "", "four", "4.5", 4.5, True, [], "4" * 100])
def test_what_is_no_whole_number_is_refused_for_good(value: Any) -> None:
    with pytest.raises(PermanentError, match=r"pid is"):
        validate(ANSWERS | {"pid": value})


def test_an_unreachable_registry_is_worth_another_attempt() -> None:
    with pytest.raises(RegistryUnreachableError, match=r"respondent 1$"):
        validate(ANSWERS | {"tv_news": "unreachable"})


def test_the_survey_as_a_whole() -> None:
    """The expected numbers were counted in anes96.csv with awk."""
    results = [derive(validate(answers)) for answers in read_answers("anes96.csv")]
    assert len(results) == 944
    assert {
        name: sum(result["nearest_candidate"] == name for result in results)
        for name in ("clinton", "dole", "both")
    } == {"clinton": 400, "dole": 417, "both": 127}
    assert sum(result["vote_is_consistent"] for result in results) == 843
    assert sum(result["income_midpoint_dollars"] for result in results) == 44137500


def test_what_is_derived_is_what_is_stored(worker: Worker) -> None:
    payload = ANSWERS | {"self_lr": 7, "clin_lr": 1, "dole_lr": 6, "vote": 1}
    (record,) = worker.process(survey_processor, [payload])
    assert (record.status, record.result) == ("completed", {"nearest_candidate": "dole"})
    (stored,) = worker.query(
        "SELECT record_id, respondent_id, distance_to_clinton, distance_to_dole, nearest_candidate,"
        " income_midpoint_dollars, vote_is_consistent FROM processed_surveys"
    )
    assert tuple(stored) == (record.id, 1, 6, 1, "dole", 18_500, True)
