"""Explores, within bounds, express slices that run alongside claims. No reachable state breaks a promise of the queue
or is stuck. If any single rule is switched off, some state breaks a promise or is stuck."""

from dataclasses import fields

import pytest

from tests.model.express import Rules, explore, without


@pytest.mark.parametrize(("run_count", "claim_bound"), [(2, 3), pytest.param(3, 2, marks=pytest.mark.long)])
def test_no_reachable_state_breaks_a_promise_or_is_stuck(run_count: int, claim_bound: int) -> None:
    exploration = explore(Rules(), run_count, claim_bound)
    assert exploration.broken == ()
    assert exploration.stuck is None
    assert exploration.state_count > 1_000


@pytest.mark.parametrize("rule", [field.name for field in fields(Rules)])
def test_every_rule_is_needed(rule: str) -> None:
    exploration = explore(without(rule), run_count=2, claim_bound=3)
    assert exploration.broken or exploration.stuck
