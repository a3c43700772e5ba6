"""The sample flow, which turns answers of the American National Election Studies 1996 into rows of `processed_surveys`.

The handler writes the results through the connection that it receives. So the COMMIT that completes the record also
writes its results. No record is completed without its result, and no result is written twice.
"""

from typing import Any

import psycopg

from queue_store.queue_schema import in_queue_schema

from .. import Backoff, FlowContext, PermanentError, flow

SCALES = {
    "tv_news": (0, 7), "self_lr": (1, 7), "clin_lr": (1, 7), "dole_lr": (1, 7), "pid": (0, 6),
    "age": (17, 110), "educ": (1, 7), "income": (1, 24), "vote": (0, 1),
}  # fmt: skip

# The ends of the study's income bands, in thousands of dollars. The last band, which has no upper end in the study,
# ends here at 130.
INCOME_BANDS_THOUSANDS = (
    0, 3, 5, 7, 9, 10, 11, 12, 13, 14, 15, 17, 20, 22, 25, 30, 35, 40, 45, 50, 60, 75, 90, 105, 130,
)  # fmt: skip

INSERT_RESULT = b"""
    INSERT INTO public.processed_surveys (record_id, respondent_id, distance_to_clinton, distance_to_dole,
        nearest_candidate, income_midpoint_dollars, vote_is_consistent)
    VALUES (%(record_id)s, %(respondent_id)s, %(distance_to_clinton)s, %(distance_to_dole)s,
        %(nearest_candidate)s, %(income_midpoint_dollars)s, %(vote_is_consistent)s)
"""


class RegistryUnreachableError(Exception):
    """Simulates an external service that cannot be reached, so that the record is retried."""


@flow(max_retries=2, backoff=Backoff(first_seconds=0.5, maximum_seconds=2), batch_size=50)
def survey_processor(
    payload: dict[str, Any], connection: psycopg.Connection[Any], context: FlowContext
) -> dict[str, Any]:
    """Validates one response, calculates the figures that analysts need, and stores these figures."""
    result = derive(validate(payload))
    connection.execute(in_queue_schema(INSERT_RESULT), {"record_id": context.record_id, **result})
    return {"nearest_candidate": result["nearest_candidate"]}


def validate(payload: dict[str, Any]) -> dict[str, int]:
    """Raises PermanentError for an answer that is not a whole number or is outside the scale of its question. Raises
    RegistryUnreachableError for a response that simulates an unreachable service."""
    if payload.get("tv_news") == "unreachable":
        raise RegistryUnreachableError(
            f"the registry did not answer for respondent {payload.get('respondent_id')}"
        )
    answers = {"respondent_id": _whole("respondent_id", payload)}
    for question, (lowest, highest) in SCALES.items():
        answers[question] = _whole(question, payload)
        if not lowest <= answers[question] <= highest:
            raise PermanentError(f"{question} is {answers[question]}, but the scale is {lowest} to {highest}")
    return answers


def derive(answers: dict[str, int]) -> dict[str, Any]:
    """Returns the distance to each candidate on the left-right scale, the nearer candidate, and the middle of the
    income band in dollars. `vote_is_consistent` is False if the vote went to the more distant candidate."""
    to_clinton = abs(answers["self_lr"] - answers["clin_lr"])
    to_dole = abs(answers["self_lr"] - answers["dole_lr"])
    nearest = "both" if to_clinton == to_dole else "clinton" if to_clinton < to_dole else "dole"
    voted_for = "dole" if answers["vote"] else "clinton"
    band = answers["income"]
    return {
        "respondent_id": answers["respondent_id"],
        "distance_to_clinton": to_clinton,
        "distance_to_dole": to_dole,
        "nearest_candidate": nearest,
        "income_midpoint_dollars": 500 * (INCOME_BANDS_THOUSANDS[band - 1] + INCOME_BANDS_THOUSANDS[band]),
        "vote_is_consistent": nearest in ("both", voted_for),
    }


def _whole(question: str, payload: dict[str, Any]) -> int:
    value = payload.get(question)
    try:
        return int(str(value))
    except ValueError:
        raise PermanentError(f"{question} is {str(value)[:40]!r}, but a whole number is needed") from None
