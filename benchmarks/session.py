"""One session of benchmarks: its servers, its sizes, and its results."""

from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from benchmarks.bench_servers import BenchServers
from benchmarks.figures import Ratio


@dataclass(frozen=True, slots=True)
class Figure:
    """A single number. The value should not be above `at_most` or below `at_least`."""

    group: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        if self.at_most is not None:
            return "met" if self.value <= self.at_most else "missed"
        if self.at_least is not None:
            return "met" if self.value >= self.at_least else "missed"
        return ""


@dataclass
class Session:
    """`records`: the number of records in one measurement of a rate. `is_full`: whether the session also measures other
    systems (`peers`) and large tables. `many`: the number of records after which the growth of a worker's memory is
    measured."""

    servers: BenchServers
    connection: Connection[Any]
    records: int
    pairs: int
    is_full: bool
    name: str = ""
    only_peer: str = ""
    many: int = 0
    command: str = ""  # the command that reproduces the report
    figures: list[Figure] = field(default_factory=list[Figure])
    ratios: list[Ratio] = field(default_factory=list[Ratio])
    packages: set[str] = field(default_factory=set[str])  # the packages of the measured peers
    failed: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.name = self.name or ("full" if self.is_full else "quick")

    def note(self, group: str, name: str, value: float, unit: str, **wanted: float) -> None:
        figure = Figure(group, name, value, unit, **wanted)
        self.figures.append(figure)
        print(f"  {group}, {name}: {value:,.4g} {unit} {figure.verdict}", flush=True)

    def note_ratio(self, ratio: Ratio) -> None:
        self.ratios.append(ratio)
        print(
            f"  {ratio.name}: {ratio.median:.3f} ({ratio.low:.3f}-{ratio.high:.3f}) {ratio.verdict}",
            flush=True,
        )
