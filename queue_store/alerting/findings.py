"""A finding: what is wrong, how bad it is, and what to do next."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

LEVELS = ("healthy", "warning", "critical", "emergency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`code` and `flow_name` identify the problem: a later finding with the same two values reports the same
    problem. `figure` is compared with `threshold`."""

    code: str
    level: str
    message: str
    next_step: str
    flow_name: str | None = None
    figure: float | None = None
    threshold: float | None = None

    @property
    def key(self) -> str:
        return f"{self.code}:{self.flow_name}" if self.flow_name else self.code

    @property
    def alert(self) -> str:
        return f"{self.level.upper()}: {self.message}"

    @property
    def recommendation(self) -> str:
        return f"{self.message} Next: {self.next_step}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def worst_level(findings: Iterable[Finding]) -> str:
    return max((finding.level for finding in findings), key=LEVELS.index, default="healthy")


def by_severity(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first."""
    return sorted(findings, key=lambda finding: (-LEVELS.index(finding.level), finding.code, finding.key))


def describe(findings: Sequence[Finding]) -> dict[str, Any]:
    """The part that the results of all monitoring functions have in common."""
    ordered = by_severity(findings)
    return {
        "findings": [finding.as_dict() for finding in ordered],
        "recommendations": [finding.recommendation for finding in ordered],
    }
