"""A trouble is a generator. It causes a problem, yields while the drill looks for the findings, and mends the problem.
This module has the register of all troubles."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.drill.fleet import Fleet

LONGEST_SECONDS = 60.0
# The death of a worker process is reported for an hour. So this statement moves all deaths two hours into the past.
HEALED = "UPDATE worker_processes SET ended_at = ended_at - interval '2 hours' WHERE state = 'dead'"
Make = Callable[[Fleet], Iterator[None]]


@dataclass(frozen=True)
class Trouble:
    """`codes`: exactly these findings must appear. `passing`: findings that may also appear before all `codes` are
    found, or while the trouble is mended. `says`: a part of the finding's text. `is_steady`: the next check reports the
    same findings.

    `shortened`: thresholds, each with its mapping or module, its name, and its value during the drill. `settings`:
    settings of the fleet, without prefix. `written`: a sentence for the report. This sentence says which times were
    shortened, or which rows were written so that the drill need not wait. `keeps_fleet`: the trouble leaves the fleet
    unchanged, so the next trouble may use the same fleet."""

    name: str
    make: Make
    codes: frozenset[str]
    passing: frozenset[str] = frozenset()
    says: str = ""
    shortened: Sequence[tuple[Any, str, Any]] = ()
    settings: dict[str, str] = field(default_factory=dict[str, str])
    written: str = ""
    seconds: float = LONGEST_SECONDS
    keeps_fleet: bool = True
    is_steady: bool = True
    is_quick: bool = False


TROUBLES: dict[str, Trouble] = {}


def trouble(name: str, *codes: str, passing: Sequence[str] = (), **options: Any) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        assert name not in TROUBLES, name
        TROUBLES[name] = Trouble(name, make, frozenset(codes), frozenset(passing), **options)
        return make

    return register
