"""Express slices of the real run loop, with sessions that break and a run that is declared dead. The ledger, which
judges the chaos runs, detects each mutated statement of a slice, and reports nothing for the unchanged statements."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_store.database import statements
from queue_store.runs import express, held_commit
from tasks.worker.quick_batches import QuickBatches
from tests.chaos.express_rules import SLICE_COUNTS
from tests.chaos.test_run_loop_mutants import OPTIONS, RunLoopScenario
from tests.support.flow_runs import running_worker

DECLARE_DEAD = "UPDATE flow_execution_logs SET state = 'dead', finished_at = now() WHERE finished_at IS NULL"

URGENT = """
UPDATE processing_queue SET priority = 1 WHERE correlation_id LIKE 'urgent/%%'
"""


class ExpressScenario(RunLoopScenario):
    options = OPTIONS | {"express": True, "batch_size": 10}
    express_flows = ("transfer", "notice")

    def meet(self, payload: dict[str, Any], context: Any, connection: Any) -> None:
        """With the hazard `run dies`, the run is declared dead during the handler's first call on the record. This call
        is in a slice, and has no outcome. The second call on the record has an outcome."""
        if payload["hazard"] == "run dies" and "run dies" not in self.met:
            with psycopg.connect(self.url, application_name="hazard", autocommit=True) as rival:
                rival.execute(DECLARE_DEAD)
            payload = payload | {"hazard": "session breaks"}
            self.met.add("run dies")
        super().meet(payload, context, connection)

    def perform(self) -> dict[str, Any]:
        self.enqueue("notice", "dies", {25: {"hazard": "run dies"}, 37: {"how": "retry"}})
        self.worker.run(self.flows[1])
        # Because of these urgent records, the next run reaches the lost records in a slice, not in its first claim.
        self.enqueue("notice", "urgent", {})
        self.worker.query(URGENT)
        self.work_off()
        self.enqueue("notice", "breaks", {25: {"hazard": "write breaks"}})
        self.enqueue("transfer", "rolled back", {25: {"hazard": "slice breaks"}, 44: {"how": "retry"}})
        return super().perform()

    def slices(self) -> set[str]:
        return {row.flow_name for row in self.worker.query(SLICE_COUNTS)}


@pytest.fixture
def scenario(
    own_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ExpressScenario]:
    monkeypatch.setattr(QuickBatches, "are_enough", True)
    monkeypatch.setattr(express, "SUSPICIOUS_SECONDS", 0.0)
    monkeypatch.setattr("tasks.run_loop.express.FEWEST_RECORDS", 1)
    with running_worker(own_database_url, monkeypatch, max_crash_strikes=1000) as worker:
        yield ExpressScenario(worker, tmp_path)


# name of the statement, its text, the mutant's text, and a rule that the mutant breaks
MUTANTS: dict[str, tuple[str, bytes, bytes, str]] = {
    "an express attempt after a lost one": (
        "runs/hold_records",
        b"q.xmax = 0 AND",
        b"",
        "a record whose express attempt was lost was completed in a slice under the same claim",
    ),
    "a slice of nobody": (
        "arrows/complete_held",
        b"flow_instance_id = %(flow_instance_id)s, claim",
        b"flow_instance_id = gen_random_uuid(), claim",
        "a record was completed in a slice that belongs to no run of its flow",
    ),
    "completions that are not counted": (
        "arrows/complete_held",
        b"        count(*), cardinality(",
        b"        0, cardinality(",
        "the counters do not match what happened",
    ),
}


def test_right_slices_break_no_rule(scenario: ExpressScenario) -> None:
    scenario.work_off_seconds = 60
    assert scenario.perform() == {}
    assert scenario.met == {"run dies", "session breaks", "write breaks", "slice breaks", "stolen"}
    assert scenario.slices() == {"transfer", "notice"}


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_slice_is_caught(
    scenario: ExpressScenario, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    name, before, after, rule = MUTANTS[mutant]
    original = statements.sql(name)
    assert before in original, "the mutant does not fit the statement any more"

    def sql(wanted: str) -> bytes:
        return original.replace(before, after) if wanted == name else statements.sql(wanted)

    for module in (express, held_commit):
        monkeypatch.setattr(module, "sql", sql)
    assert rule in scenario.perform()
