"""A trouble: a generator that makes it, yields while the drill looks, and mends it. The register of all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.drill.fleet import Fleet

LONGEST_SECONDS = 60.0
# Deaths of worker processes are told for an hour.
HEALED = "UPDATE worker_processes SET ended_at = ended_at - interval '2 hours' WHERE state = 'dead'"
Make = Callable[[Fleet], Iterator[None]]


@dataclass(frozen=True)
class Trouble:
    """`codes`: the findings that must appear, and no other. `passing`: what may be seen for a moment on the way there,
    or while it mends. `says`: part of what the finding says. `is_steady`: the next judgement finds the same.

    `shortened`: mappings or modules of thresholds, the name there, and its value during the drill. `settings`: of the
    fleet, names without prefix. `written`: what was shortened, or written instead of waiting, for the report.
    `keeps_fleet`: after it the fleet is as before, so that the next trouble may use it."""

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
    """Register a trouble under this sentence."""

    def register(make: Make) -> Make:
        assert name not in TROUBLES, name
        TROUBLES[name] = Trouble(name, make, frozenset(codes), frozenset(passing), **options)
        return make

    return register
