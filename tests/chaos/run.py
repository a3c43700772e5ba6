"""One run: faults by a seeded schedule while producers produce, then silence until all is done, then judgement."""

import heapq
import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.chaos.faults import Fault, schedule
from tests.chaos.producer import BATCH_SIZE
from tests.chaos.world import HINTS_BOUND, World

TICK_SECONDS = 0.1
PRODUCERS = 2
TRIES = 5


@dataclass
class Report:
    seed: int
    started_at: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    faults: Counter[str] = field(default_factory=Counter[str])
    skipped: Counter[str] = field(default_factory=Counter[str])
    record_count: int = 0
    seconds: dict[str, float] = field(default_factory=dict[str, float])
    violations: dict[str, Any] = field(default_factory=dict[str, Any])
    repeated_records: int = 0
    most_calls: int = 0
    recoveries: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    most_hints: int = 0
    unexpected_ends: list[str] = field(default_factory=list[str])
    proofs: list[tuple[float, str, str]] = field(default_factory=list[tuple[float, str, str]])

    @property
    def fault_count(self) -> int:
        return self.faults.total()


class ChaosRun:
    def __init__(
        self, directory: Path, counts: dict[Fault, int], record_count: int, seconds: float, seed: int
    ) -> None:
        batches = -(-record_count // BATCH_SIZE // PRODUCERS)
        self.world = World(directory, batches, batches / (seconds * 0.9), seed)
        self.report = Report(seed)
        self._seconds = seconds
        self._numbers = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        for at, fault in schedule(counts, seconds, seed):
            self._plan(at, lambda fault=fault: self._hurt(fault))

    def execute(self, drain_bound_seconds: float) -> Report:
        try:
            self._timed("start", self.world.start)
            self._timed("faults", self._inflict)
            self._timed("drain", lambda: self._drain(drain_bound_seconds))
            self._timed("end", self.world.shut_down)
            self._timed("judgement", self._judge)
        finally:
            self.world.stop()
        return self.report

    def _timed(self, phase: str, work: Callable[[], None]) -> None:
        started = time.monotonic()
        work()
        self.report.seconds[phase] = round(time.monotonic() - started, 1)

    def _inflict(self) -> None:
        for number in range(PRODUCERS):
            self.world.new_producer(number)
        self._started = time.monotonic()
        while self._agenda or not self.world.producers_are_done:
            elapsed = time.monotonic() - self._started
            while self._agenda and self._agenda[0][0] <= elapsed:
                heapq.heappop(self._agenda)[2]()
            self.world.observe()
            time.sleep(TICK_SECONDS)

    def _hurt(self, fault: Fault, tries: int = TRIES) -> None:
        name = fault.__name__
        try:
            hurt = fault(self.world)
        except (psycopg.OperationalError, redis.RedisError):
            hurt = None  # hit while another fault was at work
        elapsed = time.monotonic() - self._started
        if hurt is not None:
            self.report.faults[name] += 1
            self.report.proofs.append((round(elapsed, 2), name, hurt.proof))
            if hurt.later is not None:
                self._plan(elapsed + hurt.later_seconds, hurt.later)
        elif tries > 1:
            self._plan(elapsed + 1, lambda: self._hurt(fault, tries - 1))
        else:
            self.report.skipped[name] += 1

    def _plan(self, at: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), action))  # type: ignore[arg-type]

    def _drain(self, bound_seconds: float) -> None:
        """After the last fault the backlog must be gone within the bound."""
        started = time.monotonic()
        while self.world.unfinished_count() != 0:
            if time.monotonic() - started > bound_seconds:
                break  # the ledger says what is left
            self.world.observe()
            time.sleep(TICK_SECONDS)

    def _judge(self) -> None:
        report, world = self.report, self.world
        [(report.record_count,)] = world.query("SELECT count(*) FROM processing_queue")
        report.violations, (report.repeated_records, report.most_calls) = world.judge()
        report.most_hints = world.most_hints
        report.unexpected_ends = world.unexpected_ends
        if world.most_hints > HINTS_BOUND:
            report.violations["too many hints were outstanding"] = [(world.most_hints,)]
        by_fault: dict[str, list[float]] = {}
        for fault, seconds in world.recoveries:
            by_fault.setdefault(fault, []).append(seconds)
        report.recoveries = {fault: _percentiles(seconds) for fault, seconds in sorted(by_fault.items())}


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "count": len(ordered),
        "p50": round(statistics.median(ordered), 2),
        "p99": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 2),
        "max": round(ordered[-1], 2),
    }
