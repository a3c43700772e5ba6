"""The result of a chaos run."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.plans import GROUPS, SLICES


@dataclass
class Result:
    seed: int
    quotas: dict[str, int]
    is_express: bool = False
    has_pgbouncer: bool = False
    started_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    faults: Counter[str] = field(default_factory=Counter[str])
    retries: Counter[str] = field(default_factory=Counter[str])
    given_up: int = 0
    acknowledged: int = 0
    record_count: int = 0
    hostile_count: int = 0
    slice_counts: dict[str, int] = field(default_factory=dict[str, int])
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    violations: dict[str, list[Any]] = field(default_factory=dict[str, list[Any]])
    repeated_records: int = 0
    most_calls: int = 0
    killed_children: int = 0
    lost_attempts: int = 0
    waits: tuple[float, float] = (0.0, 0.0)
    strikes: tuple[int, ...] = (0, 0, 0, 0)
    empty_claim_buffers: int = -1
    recoveries: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    most_hints: int = 0
    servers: str = "servers unknown"
    busy_machine: str = ""
    unexpected_ends: list[str] = field(default_factory=list[str])

    @property
    def fault_count(self) -> int:
        return self.faults.total()

    def group(self, name: str) -> int:
        return sum(self.faults[fault] for fault in GROUPS[name])

    def reached(self, quota: str) -> int:
        if quota == "records":
            return self.record_count
        if quota == "hostile records":
            return self.hostile_count
        if quota == SLICES:
            return sum(self.slice_counts.values())
        return self.fault_count if quota == "faults" else self.group(quota)

    @property
    def missed(self) -> dict[str, int]:
        """Returns each quota that was not reached, with the number that was reached."""
        return {
            name: self.reached(name) for name, wanted in self.quotas.items() if self.reached(name) < wanted
        }

    @property
    def is_bad(self) -> bool:
        return bool(self.violations or self.missed)
