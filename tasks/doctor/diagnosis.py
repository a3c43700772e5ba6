"""The result of one of the doctor's checks."""

from collections.abc import Iterable
from dataclasses import dataclass

from queue_store.alerting.findings import Finding, by_severity

LEVELS = ("ok", "warning", "problem")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`level`: one of LEVELS. `next_step`: what to do about the warning or problem; empty if all is well."""

    level: str
    message: str
    next_step: str = ""


def ok(message: str) -> Diagnosis:
    return Diagnosis("ok", message)


def warning(message: str, next_step: str) -> Diagnosis:
    return Diagnosis("warning", message, next_step)


def problem(message: str, next_step: str) -> Diagnosis:
    return Diagnosis("problem", message, next_step)


def of_findings(findings: Iterable[Finding]) -> Diagnosis | None:
    """Turns the worst finding into a diagnosis. Returns None if there are no findings."""
    ordered = by_severity(findings)
    if not ordered:
        return None
    worst = ordered[0]
    return Diagnosis("warning" if worst.level == "warning" else "problem", worst.message, worst.next_step)
