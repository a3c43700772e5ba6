"""If the claims of a flow keep failing, a finding names the flow and the error. There is no such finding when the
database is unreachable."""

import pytest

from queue_store.errors import DatabaseUnavailableError
from queue_store.explain.explain import explain_flow
from tasks.monitoring.rules.flow_rules import failing_claims
from tasks.monitoring.snapshot import take_snapshot
from tasks.worker.failing_claims import FailingClaims
from tests.support.store import Store

AGE = "UPDATE flows SET claims_failing_since = claims_failing_since - interval '5 minutes'"


def fail(watch: FailingClaims, error: Exception, times: int = 3) -> None:
    for _ in range(times):
        with pytest.raises(type(error)), watch.watch("sample"):
            raise error


def findings(store: Store) -> list[str]:
    return [f.message for f in failing_claims(take_snapshot(store.database, store.settings))]


def test_it_names_the_flow_and_the_error_until_a_claim_succeeds(store: Store) -> None:
    watch = FailingClaims(store.database)
    fail(watch, ValueError("integer out of range"))
    assert findings(store) == []  # the claims have not failed for long yet
    store.execute(AGE)
    [message] = findings(store)
    assert message.startswith("sample: claims have failed since ")
    assert "ValueError: integer out of range" in message
    with store.database.transaction() as cursor:
        reasons = explain_flow(cursor, store.settings, "sample").reasons
    assert "claims_fail" in [reason.code for reason in reasons]
    with watch.watch("sample"):
        pass
    assert findings(store) == []


def test_a_database_that_is_away_is_told_elsewhere(store: Store) -> None:
    fail(FailingClaims(store.database), DatabaseUnavailableError("away"))
    store.execute(AGE)
    assert findings(store) == []
