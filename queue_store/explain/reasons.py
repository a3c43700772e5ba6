"""The registry of reasons."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from queue_store.explain.facts import Facts

FLOW = "flow"  # in place of a status: the reason explains a flow as a whole, not a single record


@dataclass(frozen=True, slots=True)
class Reason:
    """`is_blocking`: the record, or the flow, waits as long as this reason exists. `until`: when the reason ends on
    its own, if that is known."""

    code: str
    text: str
    is_blocking: bool = True
    until: datetime | None = None
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "text": self.text,
            "is_blocking": self.is_blocking,
            "until": self.until.isoformat() if self.until else None,
            "details": self.details,
        }


Judge = Callable[["Facts"], Reason | None]
_judges: list[tuple[str, frozenset[str], Judge]] = []


def reason(code: str, *, of: tuple[str, ...]) -> Callable[[Judge], Judge]:
    """Register a reason. `of`: the statuses of the records that the reason can explain, or `FLOW` for a reason that
    explains a whole flow. Reasons are evaluated in the order of registration."""

    def register(judge: Judge) -> Judge:
        _judges.append((code, frozenset(of), judge))
        return judge

    return register


def registered_codes() -> list[str]:
    return list(dict.fromkeys(code for code, _, _ in _judges))


def judge_all(facts: "Facts", subject: str) -> list[Reason]:
    """Reasons that block come first."""
    found = [judge(facts) for _, subjects, judge in _judges if subject in subjects]
    return sorted((answer for answer in found if answer), key=lambda answer: not answer.is_blocking)


def lasting(seconds: float) -> str:
    """How messages show a duration: `45 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`."""
    whole = max(0, round(seconds))
    for unit, name, part, part_name in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name} {rest} {part_name}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"
