"""Compares rates. The measurements of the two sides alternate, because the speed of a machine changes."""

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ratio:
    """`ours` and `theirs` are the rates, in the order in which they were measured."""

    name: str
    median: float
    low: float
    high: float
    ours: list[float]
    theirs: list[float]
    wanted: float | None = None

    @property
    def verdict(self) -> str:
        if self.wanted is None:
            return ""
        if self.median >= self.wanted:
            return "met" if self.low >= self.wanted else "met, within noise"
        return "missed" if self.high < self.wanted else "missed, within noise"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"verdict": self.verdict}


def compare(
    name: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    *,
    pairs: int,
    wanted: float | None = None,
) -> Ratio:
    """Returns the median and the interval of the pairs' ratios. Every second pair is measured in reverse order."""
    our_rates: list[float] = []
    their_rates: list[float] = []
    for number in range(pairs):
        if number % 2:
            their_rates.append(theirs())
            our_rates.append(ours())
        else:
            our_rates.append(ours())
            their_rates.append(theirs())
        print(f"  {name}: {our_rates[-1]:,.0f} : {their_rates[-1]:,.0f}", flush=True)
    return ratio_of(name, our_rates, their_rates, wanted)


def ratio_of(name: str, ours: list[float], theirs: list[float], wanted: float | None = None) -> Ratio:
    """The interval spans the ratios of all pairs. With five pairs, the interval contains the true median with a
    probability of 94 % (the sign test)."""
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    return Ratio(name, statistics.median(ratios), ratios[0], ratios[-1], ours, theirs, wanted)
