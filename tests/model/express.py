"""A model of express slices and claims. It is small enough for all its states to be explored.

The model has one record and a few runs, all registered. A run holds a slice in one step, and settles, converts or loses
the slice in a later step. The session of a slice may end while the handler still runs. The process may die. The answer
to the COMMIT may get lost. A failed attempt to end a session is not a step of the model, because it changes nothing. A
producer may replace the payload once. A lock leaves a mark (xmax) in the row, until vacuum freezes the row. The model
leaves out frozen rows, because runs/has_died_lately.sql covers this case.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True)
class Rules:
    holds_pass_by_marks: bool = True
    what_is_kept_needs_the_mark: bool = True
    a_conversion_asks_for_the_run: bool = True


class Run(NamedTuple):
    state: str = "running"  # running, dead
    is_gone: bool = False
    is_settled: bool = False
    held: int = 0  # the claim number that its open slice will write
    kept: int = 0  # like `held`, but the session or the answer to the COMMIT was lost
    claimed: int = 0  # the claim number that it owns
    payload: int = 0  # the payload that its handler was given


class State(NamedTuple):
    runs: tuple[Run, ...]
    status: str = "pending"
    owner: int | None = None
    claim_number: int = 0
    payload: int = 0
    mark: int | None = None  # the run whose slice locked the row last; -1: rescue locked it last
    attempts: int = 0  # express attempts with this payload
    is_broken: str = ""

    @property
    def is_locked(self) -> bool:
        return any(run.held for run in self.runs)

    def with_run(self, i: int, **changes: object) -> "State":
        runs = list(self.runs)
        runs[i] = runs[i]._replace(**changes)
        return self._replace(runs=tuple(runs))


def hold(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    is_unmarked = state.mark is None or not rules.holds_pass_by_marks
    if (
        run.state == "running"
        and _is_idle(run)
        and state.status == "pending"
        and not state.is_locked
        and is_unmarked
    ):
        held = state._replace(mark=i, attempts=min(2, state.attempts + 1))
        held = held._replace(is_broken="two express attempts" if held.attempts > 1 else held.is_broken)
        yield held.with_run(i, held=state.claim_number + 1, payload=state.payload)


def settle(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The answer to the COMMIT may get lost."""
    if not run.held:
        return
    if run.state == "running":
        done = _complete(state, i, run, run.held)
        yield done.with_run(i, held=0)
        yield done.with_run(i, held=0, kept=run.held)
    else:
        yield state.with_run(i, held=0)


def let_go(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.held:
        yield state.with_run(i, held=0)


def convert(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.held and (run.state == "running" or not rules.a_conversion_asks_for_the_run):
        yield _claim(state, i, run.held).with_run(i, held=0, claimed=run.held)


def lose_the_session(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.held:
        yield state.with_run(i, held=0, kept=run.held)


def write_what_is_kept(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.kept or state.is_locked:
        return
    is_same = state.status == "pending" and state.claim_number == run.kept - 1
    may = state.mark == i or not rules.what_is_kept_needs_the_mark
    if run.state == "running" and is_same and may:
        yield _complete(state, i, run, run.kept).with_run(i, kept=0)
        yield _claim(state, i, run.kept).with_run(i, kept=0, claimed=run.kept)
    else:
        yield state.with_run(i, kept=0)


def claim(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.state == "running" and _is_idle(run) and state.status == "pending" and not state.is_locked:
        number = state.claim_number + 1
        yield _claim(state, i, number).with_run(i, claimed=number, payload=state.payload)


def write(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.claimed:
        return
    if (state.status, state.owner, state.claim_number) == ("processing", i, run.claimed):
        done = state._replace(status="completed", is_broken=_wrong_payload(state, run))
        yield done.with_run(i, claimed=0)
    else:
        yield state.with_run(i, claimed=0)


def die(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if not run.is_gone:
        yield state.with_run(i, is_gone=True, held=0, kept=0, claimed=0)


def declare_dead(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """The run is silent, or its process is gone. Its session may still be open."""
    if run.state == "running":
        yield state.with_run(i, state="dead")


def rescue(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    """Like a slice, rescue locks the row before it writes, and so leaves a mark in the row."""
    if run.state == "dead" and not run.is_settled and (state.status, state.owner) == ("processing", i):
        yield state._replace(status="pending", owner=None, mark=-1)


def settle_the_run(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if run.state == "dead" and not run.is_settled and (state.status, state.owner) != ("processing", i):
        yield state.with_run(i, is_settled=True)


def replace_payload(state: State, i: int, run: Run, rules: Rules) -> Iterator[State]:
    if i == 0 and state.status == "pending" and not state.is_locked and not state.payload:
        yield state._replace(payload=1, mark=None, attempts=0)


Action = Callable[[State, int, Run, Rules], Iterator[State]]
ACTIONS: tuple[Action, ...] = (
    hold, settle, let_go, convert, lose_the_session, write_what_is_kept, claim, write, die, declare_dead, rescue,
    settle_the_run, replace_payload,
)  # fmt: skip


@dataclass(frozen=True)
class Exploration:
    state_count: int
    broken: tuple[str, ...]
    stuck: State | None


def explore(rules: Rules, run_count: int, claim_bound: int) -> Exploration:
    waiting = [State(runs=(Run(),) * run_count)]
    reached: dict[State, list[State]] = {}
    while waiting:
        state = waiting.pop()
        if state in reached:
            continue
        steps = (
            after
            for i, run in enumerate(state.runs)
            for act in ACTIONS
            for after in act(state, i, run, rules)
        )
        reached[state] = [after for after in steps if after.claim_number <= claim_bound]
        waiting += reached[state]
    broken = {state.is_broken for state in reached} - {""}
    return Exploration(len(reached), tuple(sorted(broken)), _stuck(reached, claim_bound))


def without(rule: str) -> Rules:
    return replace(Rules(), **{rule: False})


def _is_idle(run: Run) -> bool:
    return not run.is_gone and not (run.held or run.kept or run.claimed)


def _claim(state: State, i: int, number: int) -> State:
    return state._replace(status="processing", owner=i, claim_number=number, mark=None)


def _complete(state: State, i: int, run: Run, number: int) -> State:
    broken = _wrong_payload(state, run)
    if state.status != "pending" or state.claim_number != number - 1:
        broken = "a slice wrote what is not pending under its claim number"
    return state._replace(status="completed", owner=i, claim_number=number, mark=None, is_broken=broken)


def _wrong_payload(state: State, run: Run) -> str:
    return state.is_broken if run.payload == state.payload else "the payload of before completed the record"


def _stuck(reached: dict[State, list[State]], claim_bound: int) -> State | None:
    """Returns a state from which the record can never be completed, although a run is alive and `claim_bound` is not
    reached. Returns None if there is no such state."""
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
    is_alive = any(run.state == "running" and not run.is_gone for run in state.runs)
    return state.claim_number < claim_bound and is_alive
