"""Compares express slices with a small model, in random sequences of holds, settlements, conversions, rollbacks and
deaths."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.errors import InsufficientPrivilege

from queue_store.errors import ClaimLostError, DatabaseUnavailableError
from queue_store.liveness import rescue
from queue_store.records.record import Outcome, Record
from queue_store.runs.express import HeldSlice, NotExpressError, hold
from queue_store.runs.run import Run
from queue_store.runs.sessions import find_sessions, terminate_sessions
from tests.support.store import Store, completed, failed, store_on

IDLE_SECONDS = 60.0
LOOKS = 10_000
ROWS = "SELECT id, status, claim_number, retry_count, xmax::text <> '0' FROM processing_queue ORDER BY id"
REPLACE = "UPDATE processing_queue SET payload = '{}' WHERE id = %s"
DUE = """
SELECT id, batch_limit IS NULL AND crash_strikes = 0 AND unfinished_claims = 0 FROM processing_queue
WHERE status = 'pending' AND batch_limit IS NULL ORDER BY scheduled_at, id
"""


@dataclass
class Expected:
    status: str = "pending"
    claim_number: int = 0
    retry_count: int = 0
    mark: object | None = None  # of the slice or the rescue that locked the row last
    locked_by: Run | None = None
    owner: Run | None = None


@dataclass
class Slice:
    run: Run
    held: HeldSlice
    mark: object
    is_lost: bool = False  # its session was ended, and its handlers went on
    is_dead: bool = False  # its run was declared dead
    records: list[Record] = field(default_factory=list[Record])


class SliceMachine(RuleBasedStateMachine):
    store: Store  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[int, Expected] = {}
        self.idle: list[Run] = []
        self.slices: list[Slice] = []
        self.converted: list[tuple[Run, Record]] = []
        self.store.execute("TRUNCATE processing_queue, flow_execution_logs, worker_processes")
        self.enqueue(1)
        self.begin()
        self.begin()

    def teardown(self) -> None:
        for one in self.slices:
            if not one.is_lost:
                one.held.roll_back()
        self.store.close()

    def enqueue(self, count: int) -> None:
        self.model |= {record_id: Expected() for record_id in self.store.enqueue(count)}

    @precondition(lambda self: len(self.idle) + len(self.slices) < 4)
    @rule(first_slice=st.integers(0, 1))
    def begin(self, first_slice: int = 0) -> None:
        """Begins a run. A run that begins with a slice is registered without a claim. Any other run claims records and
        completes them."""
        self.enqueue(1)
        run = self.store.run(batch_size=3, max_retries=0, first_slice=first_slice)
        batch = run.begin()
        self._claimed(run, batch)
        if run.is_registered:
            self.idle.append(run)
            self._complete_claimed(run, batch)
        else:
            run.__exit__()

    @precondition(lambda self: self.idle)
    @rule(data=st.data(), finishes=st.booleans())
    def claim(self, data: st.DataObject, finishes: bool) -> None:
        run = data.draw(st.sampled_from(self.idle))
        run.position.drop()
        batch = run.claim()
        self._claimed(run, batch)
        if finishes:
            self._complete_claimed(run, batch)

    @precondition(lambda self: self.idle)
    @rule(data=st.data(), size=st.integers(1, 4), count=st.integers(0, 4))
    def hold(self, data: st.DataObject, size: int, count: int) -> None:
        """Records that cannot be express are claimed and completed."""
        self.enqueue(count)
        run = data.draw(st.sampled_from(self.idle))
        run.position.drop()
        due = [(i, is_new) for i, is_new in self.store.query(DUE) if self.model[i].locked_by is None][:size]
        mark = object()
        are_express = all(is_new and self.model[record_id].mark is None for record_id, is_new in due)
        for record_id, _ in due:
            self.model[record_id].mark = mark
        if not are_express:
            with pytest.raises(NotExpressError):
                hold(run, size, IDLE_SECONDS)
            run.position.drop()
            batch = run.claim()
            self._claimed(run, batch)
            self._complete_claimed(run, batch)
            return
        held = hold(run, size, IDLE_SECONDS)
        assert [record.id for record in (held.records if held else [])] == [i for i, _ in due]
        if held is not None:
            self.idle.remove(run)
            self.slices.append(Slice(run, held, mark, records=held.records))
            for record in held.records:
                self.model[record.id].locked_by = run
                assert record.claim_number == self.model[record.id].claim_number + 1

    @precondition(lambda self: self.slices)
    @rule(data=st.data(), is_last=st.booleans())
    def settle(self, data: st.DataObject, is_last: bool) -> None:
        """One COMMIT decides about all records of a slice. Each record is completed, failed, converted to a claim, or
        let go. If the session was lost, a new transaction settles the slice. If nothing is due, the COMMIT may also end
        the run and begin its successor."""
        one = data.draw(st.sampled_from(self.slices))
        kinds = ["complete"] if is_last else ["complete", "fail", "convert", "let go"]
        ends = [data.draw(st.sampled_from(kinds)) for _ in one.records]
        chosen = {end: [r for r, e in zip(one.records, ends, strict=True) if e == end] for end in set(ends)}
        outcomes = [*completed(chosen.get("complete", [])), *failed(chosen.get("fail", []))]
        rest = chosen.get("convert", [])
        may = {record.id for record in one.records if self._may_write(one, record)}
        if one.is_lost and one.is_dead:
            with pytest.raises(ClaimLostError):
                one.run.reopen()
            self._over(one)
            return
        if one.is_lost:
            one.run.reopen()
        if is_last:
            one.run.new_successor = lambda: self.store.run(batch_size=3, max_retries=0, first_slice=1)
        self._settle(one, outcomes, rest, may, is_last=is_last)
        self._over(one)

    @precondition(lambda self: any(run in self.idle for run, _ in self.converted))
    @rule()
    def complete_what_was_converted(self) -> None:
        run, record = next(one for one in self.converted if one[0] in self.idle)
        self.converted.remove((run, record))
        self._complete_claimed(run, [record])

    @precondition(lambda self: any(one.is_lost for one in self.slices))
    @rule(data=st.data())
    def replace_a_payload(self, data: st.DataObject) -> None:
        """Replaces the payload of a record. The run still keeps the outcome of the old payload in memory."""
        one = data.draw(st.sampled_from([one for one in self.slices if one.is_lost]))
        record_id = data.draw(st.sampled_from(one.records)).id
        expected = self.model[record_id]
        if (expected.status, expected.locked_by) == ("pending", None):
            self.store.execute(REPLACE, (record_id,))
            expected.mark = None

    @precondition(lambda self: any(not one.is_lost and not one.is_dead for one in self.slices))
    @rule(data=st.data())
    def roll_back(self, data: st.DataObject) -> None:
        living = [one for one in self.slices if not one.is_lost and not one.is_dead]
        one = data.draw(st.sampled_from(living))
        one.held.roll_back()
        self._over(one)

    @precondition(lambda self: any(not one.is_lost for one in self.slices))
    @rule(data=st.data())
    def lose_the_session(self, data: st.DataObject) -> None:
        """The handlers of the slice go on, and their outcomes are kept in memory."""
        one = data.draw(st.sampled_from([one for one in self.slices if not one.is_lost]))
        with self.store.database.transaction() as cursor:
            terminate_sessions(cursor, one.run.flow_instance_id)
        with pytest.raises(DatabaseUnavailableError):
            one.held.settle(completed(one.records))
        one.is_lost = True
        self._let_go(one)

    @precondition(lambda self: any(not one.is_lost and not one.is_dead for one in self.slices))
    @rule(data=st.data())
    def declare_dead_what_cannot_be_ended(self, data: st.DataObject) -> None:
        """Rescue's login has no right to end the session of the run that it declares dead. The session keeps its locks
        until it ends by itself."""
        living = [one for one in self.slices if not one.is_lost and not one.is_dead]
        one = data.draw(st.sampled_from(living))
        with mock.patch.object(
            rescue, "terminate_sessions", side_effect=InsufficientPrivilege("another role")
        ):
            rescued = self.store.rescue.lost([one.run.worker_process_id])
        assert rescued.open_sessions
        assert not {record.id for record in one.records} & {*rescued.pending_ids, *rescued.failed_ids}
        one.is_dead = True
        self._rescued(one.run)

    @precondition(lambda self: any(not one.is_lost and not one.is_dead for one in self.slices))
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        """The host fails in the middle of a slice. Postgres notices the failure and releases the locks. Then rescue is
        called."""
        living = [one for one in self.slices if not one.is_lost and not one.is_dead]
        one = data.draw(st.sampled_from(living))
        one.run.held.driver.pgconn.finish()
        self._wait_until_released(one.run)
        self.store.rescue.lost([one.run.worker_process_id])
        one.is_lost = True
        self._let_go(one)
        self.slices.remove(one)
        self._rescued(one.run)

    @invariant()
    def the_rows_are_what_the_model_says(self) -> None:
        expected = [
            (i, e.status, e.claim_number, e.retry_count, e.mark is not None)
            for i, e in sorted(self.model.items())
        ]
        found = self.store.query(ROWS)
        assert [row[:4] for row in found] == [row[:4] for row in expected]
        pending = {row[0] for row in found if row[1] == "pending"}
        assert [r for r in found if r[0] in pending] == [r for r in expected if r[0] in pending]

    def _may_write(self, one: Slice, record: Record) -> bool:
        expected = self.model[record.id]
        is_same = expected.status == "pending" and expected.mark is one.mark
        return is_same and not one.is_dead and expected.locked_by in (None, one.run)

    def _settle(
        self, one: Slice, outcomes: Sequence[Outcome], rest: Sequence[Record], may: set[int], *, is_last: bool
    ) -> None:
        written, claimed_ids = one.held.settle(outcomes, rest, is_last=is_last)
        assert claimed_ids == {record.id for record in rest} & may
        refused = {outcome.record.id for outcome in outcomes} - may
        assert {*written.refused_ids} == refused
        for outcome in outcomes:
            if outcome.record.id in may:
                is_failed = outcome in failed_of(outcomes)
                self._end(outcome.record, "failed" if is_failed else "completed", is_failed)
        for record in rest:
            if record.id in may:
                expected = self.model[record.id]
                expected.status, expected.owner, expected.mark = "processing", one.run, None
                expected.claim_number += 1
                self.converted.append((one.run, record))

    def _end(self, record: Record, status: str, is_failed: bool) -> None:
        expected = self.model[record.id]
        expected.status, expected.mark = status, None
        expected.claim_number += 1
        expected.retry_count += is_failed

    def _over(self, one: Slice) -> None:
        self._let_go(one)
        self.slices.remove(one)
        if one.run.is_ended:
            assert not self.store.query(DUE)
            assert not [e for e in self.model.values() if (e.status, e.owner) == ("processing", one.run)]
            others = self.idle or self.slices  # they may hold all due records
            assert one.run.successor is not None or others
            self.idle += [one.run.successor] if one.run.successor else []
        if one.is_dead or one.run.is_ended:
            one.run.__exit__()
        else:
            self.idle.append(one.run)

    def _let_go(self, one: Slice) -> None:
        for record in one.records:
            if self.model[record.id].locked_by is one.run:
                self.model[record.id].locked_by = None

    def _claimed(self, run: Run, batch: Sequence[Record]) -> None:
        for record in batch:
            expected = self.model[record.id]
            assert (expected.status, expected.locked_by) == ("pending", None)
            expected.status, expected.owner, expected.mark = "processing", run, None
            expected.claim_number += 1
            assert record.claim_number == expected.claim_number
        self._note_marks_of_the_claim()

    def _note_marks_of_the_claim(self) -> None:
        """This test once found a mark in a row, although only other rows had been claimed, and we do not know why. So
        the model reads the marks from the rows after each claim. A row with a mark is claimed in the normal way."""
        for record_id, status, *_, is_marked in self.store.query(ROWS):
            if status == "pending" and is_marked and self.model[record_id].mark is None:
                self.model[record_id].mark = object()

    def _complete_claimed(self, run: Run, batch: Sequence[Record]) -> None:
        assert run.write(completed(batch)).refused_ids == []
        for record in batch:
            self.model[record.id].status = "completed"

    def _rescued(self, run: Run) -> None:
        """Like a slice, rescue locks each row before it writes, and so leaves a mark in the row. The model copies the
        status from the store, because test_store_against_model.py already checks that status."""
        for record_id, expected in self.model.items():
            if expected.owner is run and expected.status == "processing":
                expected.status, expected.owner, expected.mark = self.store.status(record_id), None, object()

    def _wait_until_released(self, run: Run) -> None:
        for _ in range(LOOKS):
            with self.store.database.transaction() as cursor:
                if not find_sessions(cursor, run.flow_instance_id):
                    return
        raise AssertionError("the server did not notice that the client is gone")


def failed_of(outcomes: Sequence[Outcome]) -> list[Outcome]:
    kind = type(failed([outcomes[0].record])[0])
    return [outcome for outcome in outcomes if isinstance(outcome, kind)]


@pytest.fixture
def lonely_store(database: Any) -> Iterator[Store]:
    with store_on(database) as store:
        store.add_flow()
        yield store


@pytest.mark.timeout(180)
def test_no_sequence_of_slices_tells_the_store_from_its_model(lonely_store: Store) -> None:
    machine: Callable[[], SliceMachine] = type("Machine", (SliceMachine,), {"store": lonely_store})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=14,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
