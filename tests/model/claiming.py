"""A model of claim, heartbeat, rescue and fence, small enough to be explored completely.

The model has one record and a few worker processes. Each process has one run, and perhaps an abandoned thread that is
still running. Every statement of the store is one step, because the store executes it in a transaction of its own. A
one-COMMIT slice has two steps: the fenced UPDATE, which takes the row lock, and the COMMIT. Processes die at any
moment, and answers get lost. All interleavings are explored. So the model includes frozen processes: a process may take
no step for a while. The model also includes expired leases: a rescuer may take its step at any moment. `Rules` switches
off rules that the real statements follow, to show that each rule is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

UNKNOWN = -1  # the answer to a COMMIT was lost: the run does not know what it owns, and must end


@dataclass(frozen=True)
class Rules:
    fence: bool = True
    the_fence_asks_for_the_claim: bool = True
    claims_need_a_running_run: bool = True
    rescue_skips_locked: bool = True
    dead_is_final: bool = True
    rescue_finds_what_ended_runs_left: bool = True
    settles_only_without_records: bool = True
    the_silent_are_declared_dead: bool = True


class Run(NamedTuple):
    state: str = "new"  # new, running, ended, dead
    is_gone: bool = False  # its process died
    seen_silent: bool = False  # a rescuer has read that the run is silent, and may declare it dead later
    is_settled: bool = False
    claim_number: int = 0  # the claim that the process believes it owns; 0: none
    stale_number: int = 0  # the claim that its abandoned thread believes it owns
    in_transaction: int = 0  # the claim under which it writes, between the fenced UPDATE and the COMMIT


class State(NamedTuple):
    runs: tuple[Run, ...]
    status: str = "pending"
    owner: int | None = None
    claim_number: int = 0
    effects: int = 0
    is_broken: str = ""  # which promise this step has broken

    @property
    def locked_by(self) -> int | None:
        return next((i for i, run in enumerate(self.runs) if run.in_transaction), None)

    def with_run(self, i: int, **changes: object) -> "State":
        runs = list(self.runs)
        runs[i] = runs[i]._replace(**changes)
        return self._replace(runs=tuple(runs))


Step = tuple[str, State]


def steps(state: State, rules: Rules, claim_bound: int) -> Iterator[Step]:
    for i, run in enumerate(state.runs):
        for action in ACTIONS:
            for after in action(state, i, run, rules):
                if after.claim_number <= claim_bound:
                    yield f"{action.__name__} {i}", after


def claim(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    may = run.state in ("new", "running") or not rules.claims_need_a_running_run
    if run.is_gone or run.claim_number or not may or state.status != "pending":
        return
    number = state.claim_number + 1
    claimed = state._replace(status="processing", owner=i, claim_number=number)
    began = {"state": "running"} if run.state == "new" else {}
    yield claimed.with_run(i, claim_number=number, **began)
    yield claimed.with_run(i, claim_number=UNKNOWN, **began)


def update_under_the_fence(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The run takes the row lock, or the fence refuses the run. While another run holds the lock, this run takes no
    step."""
    if run.is_gone or run.claim_number <= 0 or run.in_transaction or state.locked_by is not None:
        return
    owns = state.status == "processing" and (state.owner, state.claim_number) == (i, run.claim_number)
    if owns or (not rules.fence and state.status == "processing"):
        yield state.with_run(i, in_transaction=run.claim_number)
    else:
        yield state.with_run(i, claim_number=0)


def snooze(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The record is given back, but a thread that works on the record does not know this."""
    owns = state.status == "processing" and (state.owner, state.claim_number) == (i, run.claim_number)
    if not run.is_gone and owns and state.locked_by is None:
        yield state._replace(status="pending", owner=None).with_run(
            i, claim_number=0, stale_number=run.claim_number
        )


def update_by_the_abandoned_thread(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.is_gone or not run.stale_number or state.locked_by is not None:
        return
    owns = state.status == "processing" and state.owner == i
    if owns and (state.claim_number == run.stale_number or not rules.the_fence_asks_for_the_claim):
        yield state.with_run(i, in_transaction=run.stale_number)
    else:
        yield state.with_run(i, stale_number=0)


def commit(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.is_gone or not run.in_transaction:
        return
    broken = "" if (state.status, state.owner) == ("processing", i) else "a fenced run wrote"
    broken = broken or ("" if run.in_transaction == state.claim_number else "a stale claim wrote")
    done = state._replace(status="completed", effects=state.effects + 1, is_broken=broken)
    yield done.with_run(i, in_transaction=0, claim_number=0)
    yield done.with_run(i, in_transaction=0, claim_number=UNKNOWN)
    yield state.with_run(i, in_transaction=0, claim_number=UNKNOWN)  # not committed, but the run cannot know


def retry(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.is_gone and run.in_transaction and state.owner == i:
        given_back = state._replace(status="pending", owner=None)
        yield given_back.with_run(i, in_transaction=0, claim_number=0)


def end(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.is_gone and run.state == "running" and run.claim_number <= 0:
        yield state.with_run(i, state="ended", claim_number=0)


def beat(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The heartbeat of a dead run updates no row. So its process learns that the run is dead, and drops the claim."""
    if run.is_gone or run.state != "dead":
        return
    if not rules.dead_is_final:
        yield state.with_run(i, state="running", seen_silent=False)
    elif run.claim_number:
        yield state.with_run(i, claim_number=0, in_transaction=0)


def die(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.is_gone and run.state != "new":
        yield state.with_run(i, is_gone=True, in_transaction=0)


def see_silent(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if rules.the_silent_are_declared_dead and run.state == "running" and not run.seen_silent:
        yield state.with_run(i, seen_silent=True)


def terminate_session(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The open transaction is rolled back. The process still believes that it owns the record, and will try again."""
    if run.seen_silent and run.in_transaction:
        yield state.with_run(i, in_transaction=0)


def declare_dead(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """If a rescuer has seen that the run is silent, the rescuer may declare the run dead, even if a heartbeat has
    arrived since."""
    if run.seen_silent and run.state == "running":
        yield state.with_run(i, state="dead")


def rescue(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    gone = ("dead", "ended") if rules.rescue_finds_what_ended_runs_left else ("dead",)
    is_orphan = state.status == "processing" and state.owner == i
    if run.state not in gone or run.is_settled or not is_orphan:
        return
    if state.locked_by is None or not rules.rescue_skips_locked:
        yield state._replace(status="pending", owner=None)


def settle(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    has_records = state.status == "processing" and state.owner == i
    may = not has_records or not rules.settles_only_without_records
    if run.state in ("dead", "ended") and not run.is_settled and may:
        yield state.with_run(i, is_settled=True)


Action = Callable[[State, int, Run, Rules], Iterator[State]]
ACTIONS: tuple[Action, ...] = (
    claim, update_under_the_fence, snooze, update_by_the_abandoned_thread, commit, retry, end, beat, die,
    see_silent, terminate_session, declare_dead, rescue, settle,
)  # fmt: skip


@dataclass(frozen=True)
class Exploration:
    state_count: int
    broken: tuple[str, ...]
    stuck: State | None


def explore(rules: Rules, run_count: int = 3, claim_bound: int = 3) -> Exploration:
    start = State(runs=(Run(),) * run_count)
    reached: dict[State, list[State]] = {}
    waiting = [start]
    broken: set[str] = set()
    while waiting:
        state = waiting.pop()
        if state in reached:
            continue
        broken |= set(_broken_promises(state))
        reached[state] = [after for _, after in steps(state, rules, claim_bound)]
        waiting += reached[state]
    return Exploration(len(reached), tuple(sorted(broken)), _stuck(reached, claim_bound))


def _broken_promises(state: State) -> Iterator[str]:
    if state.is_broken:
        yield state.is_broken
    if state.effects > 1:
        yield "an effect was committed twice"
    if (state.effects == 1) != (state.status == "completed"):
        yield "effect and status were not committed together"


def _stuck(reached: dict[State, list[State]], claim_bound: int) -> State | None:
    """A state in which the record can no longer be completed, although further claims are possible."""
    before: dict[State, list[State]] = {state: [] for state in reached}
    for state, afters in reached.items():
        for after in afters:
            before[after].append(state)
    hopeful = {state for state in reached if state.status == "completed"}
    waiting = list(hopeful)
    while waiting:
        for state in before[waiting.pop()]:
            if state not in hopeful:
                hopeful.add(state)
                waiting.append(state)
    return next((s for s in reached if s not in hopeful and _has_hope_left(s, claim_bound)), None)


def _has_hope_left(state: State, claim_bound: int) -> bool:
    return state.claim_number < claim_bound and any(run.state == "new" for run in state.runs)


def without(rule: str) -> Rules:
    return replace(Rules(), **{rule: False})
