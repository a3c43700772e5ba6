"""One chaos run. While producers enqueue records, faults follow a seeded schedule. Then the run waits without faults
until all records are done. At the end, the rules of `ledger.py` judge the run."""

import heapq
import itertools
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg
import redis

from tasks.embedded.errors import EmbeddedServerError
from tests.chaos.fault import Fault, InjectedFault
from tests.chaos.judgement import judge
from tests.chaos.plans import GROUPS, HEAVY, Plan, schedule
from tests.chaos.producer import BATCH_SIZE
from tests.chaos.proofs import Proofs
from tests.chaos.recovery import Mark
from tests.chaos.result import Result
from tests.chaos.world import WORKER_COUNT, World

TICK_SECONDS = 0.1
OBSERVE_SECONDS = 0.5
SAY_SECONDS = 30.0
PRODUCERS = 2
# If the injection of a fault raises one of these errors, the fault is injected again later. Such an error means that
# another fault was in the way, or that the machine is too busy.
TROUBLE = (
    psycopg.Error,
    redis.RedisError,
    psutil.Error,
    EmbeddedServerError,
    AssertionError,
    OSError,
    subprocess.SubprocessError,
)


class BrokenOffError(Exception):
    pass


class ChaosRun:
    def __init__(
        self,
        directory: Path,
        plan: Plan,
        seed: int,
        proofs: Path | None = None,
        *,
        pgbouncer: bool = False,
        express: bool = False,
    ) -> None:
        self.plan = plan
        per_producer = plan.record_count / BATCH_SIZE / PRODUCERS
        self.world = World(directory, per_producer / (plan.seconds * 0.9), seed, pgbouncer, express)
        self.result = Result(seed, dict(plan.quotas), is_express=express, has_pgbouncer=pgbouncer)
        self.proofs = Proofs(proofs or directory / "proofs.jsonl")
        self._rng = random.Random(seed)
        self._numbers = itertools.count()
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._ends: list[tuple[float, int, Callable[[], object]]] = []  # ends of lasting faults
        self._said_at = self._observed_at = 0.0
        self._started = time.monotonic()
        for at, fault in schedule(plan, seed):
            self._plan(at, lambda fault=fault: self._inject(fault))

    def execute(self) -> Result:
        """Returns a result in every case. If the run was aborted, the result names this as a violation."""
        before = signal.signal(signal.SIGTERM, _break_off)
        try:
            self._timed("start", self.world.start)
            self._timed("faults", self._inject_faults)
            self._timed("drain", self._drain)
            self._timed("end", self.world.shut_down)
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
            self._broke(error)
        try:
            self._timed("judgement", lambda: judge(self.world, self.result))
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
            self._broke(error)
        finally:
            self.world.stop()
            signal.signal(signal.SIGTERM, before)
        self.proofs.note(
            "verdict", "broken" if self.result.is_bad else "kept", violations=str(self.result.violations)
        )
        return self.result

    def _broke(self, error: BaseException) -> None:
        self.result.violations.setdefault("the run broke off", []).append(
            (type(error).__name__, str(error)[:500])
        )
        self.proofs.note("broke off", repr(error)[:500])

    def _timed(self, phase: str, work: Callable[[], object]) -> None:
        started = time.monotonic()
        self.proofs.note("phase", phase)
        try:
            work()
        finally:
            self.result.seconds[phase] = round(time.monotonic() - started, 1)

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def _inject_faults(self) -> None:
        self._started = time.monotonic()
        for number in range(PRODUCERS):
            self.world.new_producer(number)
        try:
            while self._is_unfinished() and self.elapsed < self.plan.longest_seconds:
                while self._take_due(self._ends) or self._take_due(self._agenda):
                    pass
                self._observe()
                time.sleep(TICK_SECONDS)
        finally:
            while self._ends:
                heapq.heappop(self._ends)[2]()
            self.world.stop_producers()
        for _ in self._agenda:
            self.result.given_up += 1

    def _take_due(self, agenda: list[tuple[float, int, Callable[[], object]]]) -> bool:
        """Executes the first action of an agenda, if that action is due. The ends of faults have an agenda of their
        own, so that an overdue fault does not delay the end of another fault. Otherwise a frozen server could stay
        frozen for minutes."""
        if not agenda or agenda[0][0] > self.elapsed:
            return False
        heapq.heappop(agenda)[2]()
        return True

    def _is_unfinished(self) -> bool:
        return bool(self._agenda or self._ends) or self.result.acknowledged < self.plan.record_count

    def _observe(self) -> None:
        if self.elapsed - self._observed_at < OBSERVE_SECONDS:
            return
        self._observed_at = self.elapsed
        self.world.observe()
        self.world.hold_producers(self.world.backlog > self.plan.backlog_bound)
        self.result.acknowledged = self.world.acknowledged_count()
        if self.elapsed - self._said_at >= SAY_SECONDS:
            self._said_at = self.elapsed
            self._say()

    def _say(self) -> None:
        groups = ", ".join(f"{self.result.group(name)} {name}" for name in GROUPS)
        line = (
            f"{self.elapsed:5.0f} s: {self.result.acknowledged:,} records, {self.world.backlog} waiting, "
            f"{self.result.fault_count} faults ({groups}), {len(self._agenda)} to come"
        )
        sys.stderr.write(line + "\n")
        self.proofs.note("progress", line)

    def _inject(self, fault: Fault) -> None:
        name = fault.__name__
        if self.world.workers_up < (WORKER_COUNT if name in HEAVY else 1):
            self._plan(self.elapsed + self._rng.uniform(0.5, 3), lambda: self._inject(fault))
            return
        self.world.marked = None
        begun = Mark.now([])
        try:
            injected = fault(self.world)
        except TROUBLE as error:
            self.proofs.note("trouble", name, error=repr(error)[:300])
            self.world.mend_servers()
            injected = None
        mark = self.world.marked or begun
        if injected is None:
            self._try_again(fault)
        elif injected.later is None:
            self._count(fault, injected.proof, mark)
        else:
            self._follow(fault, injected, mark)

    def _follow(self, fault: Fault, injected: InjectedFault, mark: Mark) -> None:
        later = injected.later
        assert later is not None
        ends_at = self.elapsed + injected.later_seconds
        heapq.heappush(self._ends, (ends_at, next(self._numbers), lambda: self._count(fault, later(), mark)))

    def _count(self, fault: Fault, proof: str | None, mark: Mark) -> None:
        if proof is None:
            self._try_again(fault)
            return
        self.result.faults[fault.__name__] += 1
        self.world.marks.keep(fault.__name__, mark)
        self.proofs.note("fault", fault.__name__, proof=proof)

    def _try_again(self, fault: Fault) -> None:
        self.result.retries[fault.__name__] += 1
        self._plan(self.elapsed + self._rng.uniform(0.5, 3), lambda: self._inject(fault))

    def _plan(self, at: float, action: Callable[[], object]) -> None:
        heapq.heappush(self._agenda, (at, next(self._numbers), action))

    def _drain(self) -> None:
        started = time.monotonic()
        self.result.acknowledged = self.world.acknowledged_count()
        self._say()
        while self.world.unfinished_count() != 0:
            if time.monotonic() - started > self.plan.drain_bound_seconds:
                break  # the ledger reports the unfinished records
            self.world.mend_servers()
            self.world.observe()
            time.sleep(OBSERVE_SECONDS)


def _break_off(_signal: int, _frame: Any) -> None:
    raise BrokenOffError("the chaos run received SIGTERM")
