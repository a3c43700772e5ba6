"""Runs and operators use arrows in any order, over several connections. After each arrow, the store must agree with a
small model."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from queue_store.database.statements import sql
from queue_store.records.record import Record, Snooze
from queue_store.runs.run import Run
from tests.support.store import Store, completed, failed, store_on

MAX_RETRIES = 1
ROWS = """
SELECT id, status, retry_count, claim_number, crash_strikes, batch_limit, unfinished_claims
FROM processing_queue ORDER BY id
"""


@dataclass
class Expected:
    status: str = "pending"
    retry_count: int = 0
    claim_number: int = 0
    crash_strikes: int = 0
    batch_limit: int | None = None
    unfinished_claims: int = 0
    owner: Run | None = None
    is_cancel_asked: bool = False

    def row(self, record_id: int) -> tuple[Any, ...]:
        return (
            record_id, self.status, self.retry_count, self.claim_number, self.crash_strikes, self.batch_limit,
            self.unfinished_claims,
        )  # fmt: skip

    def give_back(self, status: str = "pending") -> None:
        self.status = "cancelled" if self.is_cancel_asked else status
        self.is_cancel_asked = self.is_cancel_asked and self.status != "cancelled"
        self.owner = None


class StoreMachine(RuleBasedStateMachine):
    store: Store  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[int, Expected] = {}
        self.runs: list[Run] = []
        self.held: list[tuple[Run, Record]] = []  # every claim of a record, stale or not
        self.store.execute("TRUNCATE processing_queue, flow_execution_logs, worker_processes")

    def teardown(self) -> None:
        self.store.close()

    @initialize(limit=st.sampled_from([1, 2, 5]))
    def bound_unfinished_claims(self, limit: int) -> None:
        self.store.settings = replace(self.store.settings, max_unfinished_claims=limit)

    @rule(count=st.integers(1, 4))
    def enqueue(self, count: int) -> None:
        self.model |= {record_id: Expected() for record_id in self.store.enqueue(count)}

    @precondition(lambda self: len(self.runs) < 5)
    @rule(batch_size=st.integers(1, 3))
    def begin(self, batch_size: int) -> None:
        self.store.make_due()
        run = self.store.run(batch_size=batch_size, max_retries=MAX_RETRIES)
        if self._took(run, run.begin(), batch_size):
            self.runs.append(run)
        else:
            run.__exit__()

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        self.store.make_due()
        run = data.draw(st.sampled_from(self.runs))
        self._took(run, run.claim(), run.batch_size)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), arrow=st.sampled_from(["complete", "retry", "fail", "snooze", "release", "cancel"]))
    def write(self, data: st.DataObject, arrow: str) -> None:
        """A run writes an outcome for a record that it once claimed, with the number of that claim."""
        run, record = data.draw(st.sampled_from(self.held[-6:]))
        expected = self.model[record.id]
        owns = expected.owner is run and expected.claim_number == record.claim_number
        may = owns and (arrow != "cancel" or expected.is_cancel_asked)
        assert self._accepted(run, record, arrow) == may
        if run not in self.runs:
            run.__exit__()
        if may:
            self._apply(expected, arrow)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), knows_hand=st.booleans())
    def die(self, data: st.DataObject, knows_hand: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        self.runs.remove(run)
        mine = [record_id for record_id, e in self.model.items() if e.owner is run]
        hand = {run.worker_process_id: mine[0]} if knows_hand and mine else {}
        self.store.rescue.lost([run.worker_process_id], hand)
        run.__exit__()
        for record_id in mine:
            in_hand = hand.get(run.worker_process_id)
            is_culprit = in_hand == record_id or (in_hand is None and len(mine) == 1)
            limit = max(1, ceil(len(mine) / 2)) if in_hand is None else None
            self._rescued(self.model[record_id], is_unfinished=True, is_culprit=is_culprit, limit=limit)

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), leaves_unfinished=st.booleans())
    def end(self, data: st.DataObject, leaves_unfinished: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        self.runs.remove(run)
        run.end("it failed", leaves_unfinished=leaves_unfinished)
        run.__exit__()
        self.store.rescue.sweep()
        for expected in self.model.values():
            if expected.owner is run:
                self._rescued(expected, is_unfinished=leaves_unfinished)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def ask_to_cancel(self, data: st.DataObject) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.model)))
        with self.store.database.transaction() as cursor:
            cursor.execute(
                sql("arrows/cancel"),
                {"ids": [record_id], "actor": "me", "reason": None, "pending_only": False},
            )
        expected = self.model[record_id]
        if expected.status == "pending":
            expected.status, expected.batch_limit = "cancelled", None
        elif expected.status == "processing":
            expected.is_cancel_asked = True

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def reset(self, data: st.DataObject) -> None:
        record_id = data.draw(st.sampled_from(sorted(self.model)))
        with self.store.database.transaction() as cursor:
            cursor.execute(sql("arrows/reset"), {"ids": [record_id]})
        if self.model[record_id].status == "failed":
            self.model[record_id].status = "pending"
            self.model[record_id].unfinished_claims = 0

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        expected = [self.model[record_id].row(record_id) for record_id in sorted(self.model)]
        assert self.store.query(ROWS) == expected

    def _took(self, run: Run, records: list[Record], batch_size: int) -> bool:
        assert len(records) <= batch_size
        for record in records:
            expected = self.model[record.id]
            assert expected.status == "pending"
            expected.status, expected.owner = "processing", run
            expected.claim_number += 1
            assert record.claim_number == expected.claim_number
            self.held.append((run, record))
        return bool(records)

    def _accepted(self, run: Run, record: Record, arrow: str) -> bool:
        if arrow == "release":
            return run.release([record]) == [record.id]
        if arrow == "cancel":
            return run.cancel([record]) == [record.id]
        outcomes = {
            "complete": lambda: completed([record]),
            "retry": lambda: failed([record], 3600),
            "fail": lambda: failed([record]),
            "snooze": lambda: [Snooze(record, 3600)],
        }
        written = run.write(outcomes[arrow]())
        assert written.refused_ids in ([], [record.id])
        return not written.refused_ids

    def _apply(self, expected: Expected, arrow: str) -> None:
        if arrow in ("complete", "cancel"):
            expected.status = "completed" if arrow == "complete" else "cancelled"
            expected.owner = None
        elif arrow in ("retry", "fail"):
            is_last = arrow == "fail" or expected.retry_count >= MAX_RETRIES
            expected.retry_count += 1
            expected.give_back("failed" if is_last else "pending")
        else:
            expected.give_back()
        if arrow != "release":
            expected.batch_limit, expected.unfinished_claims = None, 0

    def _rescued(
        self, expected: Expected, *, is_unfinished: bool, is_culprit: bool = False, limit: int | None = None
    ) -> None:
        """`limit`: the record's new batch limit, given only if nobody knows which record has killed the process."""
        bounds = self.store.settings
        is_endless = (
            is_unfinished
            and expected.unfinished_claims >= bounds.max_unfinished_claims
            and expected.batch_limit == 1
        )
        struck = is_culprit or is_endless
        expected.unfinished_claims += is_unfinished
        expected.crash_strikes += struck
        if struck or expected.unfinished_claims >= bounds.max_unfinished_claims:
            expected.batch_limit = 1
        elif limit is not None:
            expected.batch_limit = min(expected.batch_limit or limit, limit)
        is_last = struck and expected.crash_strikes >= bounds.max_crash_strikes
        expected.give_back("failed" if is_last else "pending")
        if expected.status != "pending":
            expected.batch_limit = None


@pytest.fixture
def lonely_store(database: Any) -> Iterator[Store]:
    with store_on(database) as store:
        store.add_flow()
        yield store


@pytest.mark.timeout(180)
def test_no_sequence_of_arrows_tells_the_store_from_its_model(lonely_store: Store) -> None:
    machine = type("Machine", (StoreMachine,), {"store": lonely_store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
