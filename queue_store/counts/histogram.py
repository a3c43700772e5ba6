"""Counts durations in fixed buckets, so that the counts of several processes and minutes can be added up."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

BOUNDS_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0),
)


def count_durations(durations_seconds: Iterable[float]) -> list[int]:
    """Returns one count for each bound: the number of durations up to this bound and above the previous bound. One more
    count, at the end, is the number of durations above all bounds."""
    counts = [0] * (len(BOUNDS_SECONDS) + 1)
    for seconds in durations_seconds:
        counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
    return counts


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Interpolates the duration that a `share` (0–1) of the counted durations did not exceed. None if nothing was
    counted."""
    total = sum(counts)
    if not total:
        return None
    wanted, seen, lower = share * total, 0, 0.0
    for count, upper in zip(counts, (*BOUNDS_SECONDS, BOUNDS_SECONDS[-1]), strict=True):
        if count and seen + count >= wanted:
            return lower + (upper - lower) * (wanted - seen) / count
        seen, lower = seen + count, upper
    return BOUNDS_SECONDS[-1]
