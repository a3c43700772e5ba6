"""Tests the rules by which `ledger.py` judges the claims, calls and express slices of a chaos run. Each rule detects an
invented violation, and accepts the allowed histories."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from tests.chaos import ledger
from tests.chaos.express import flows_that_may_be_express
from tests.chaos.express_rules import EXPRESS_RULES, lost_attempts, slice_counts
from tests.chaos.plans import LONG, SHORT, SLICES, sized
from tests.chaos.result import Result

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DUE, TAKEN, DONE = -1.0, 0.0, 0.05  # seconds from noon
WAITED = "a record was due and nobody took it for two minutes"
LOOKED_AT = {*EXPRESS_RULES, WAITED}
TWICE = "an outside effect was done twice under one claim"
NEVER_CLAIMED = "a handler ran under a claim that never existed"
TRIED_AGAIN = "a record had more than one express attempt before its claim"
HELD_AGAIN = "a record whose express attempt was lost was completed in a slice under the same claim"
NOT_INNOCENT = "a record that had failed, or had a crash strike, was completed in a slice"
CHARGED = "an attempt or a strike was charged for a claim that never existed"
NOBODY = "a record was completed in a slice that belongs to no run of its flow"
TOO_MANY_CALLS = "a slice called more handlers than it may have records"
JUMPED = "claim numbers did not rise by one"
NO_ARROW = "a record took an arrow that does not exist"
TOO_EARLY = "a record was claimed before it was due"
TOO_MANY = "a claim or a slice took too many records"

HISTORY = """
INSERT INTO ledger.history (at, record_id, flow_name, old_status, status, claim_number, flow_instance_id,
    retry_count, old_retry_count, scheduled_at, claimed_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, %s, ledger.microseconds(%s))
"""
ATTEMPT = """
INSERT INTO record_attempts (record_id, claim_number, attempt_number, flow_name, flow_instance_id, outcome,
    exception_type, error_message, error_group)
VALUES (%s, %s, 1, 'notice', %s, 'crashed', '', '', '')
"""
RUN = "INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id) VALUES (%s, %s, %s)"
FLOW = """
INSERT INTO flows (flow_name, celery_queue, batch_size, max_retries, orphan_timeout_seconds)
VALUES (%s, 'flows', 2, 3, 60)
"""


def instant(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Story:
    """An invented history of records, in a transaction that is rolled back. The flow `notice` may be express, and the
    flow `letter` may not."""

    def __init__(self, connection: psycopg.Connection[Any], directory: Path) -> None:
        self.connection = connection
        self.calls = directory / "calls"
        self.crashed_at: list[float] = []
        ledger.prepare(connection)
        for flow_name in ("notice", "letter"):
            connection.execute(FLOW, [flow_name])

    def record(self, flow_name: str = "notice") -> int:
        insert = "INSERT INTO processing_queue (flow_name) VALUES (%s) RETURNING id"
        [[record_id]] = self.connection.execute(insert, [flow_name]).fetchall()
        return record_id

    def run(self, flow_name: str = "notice") -> UUID:
        run = uuid4()
        self.connection.execute(RUN, [run, flow_name, uuid4()])
        return run

    def arrow(
        self, record: int, arrow: str, run: UUID | None, claim: int = 1, at: float = DONE, **more: Any
    ) -> None:
        flow_name = more.get("flow_name", "notice")
        old_status, _, status = arrow.partition(" → ")
        due, taken = instant(more.get("due", DUE)), instant(more.get("taken", TAKEN))
        row = (
            instant(at),
            record,
            flow_name,
            old_status,
            status,
            claim,
            run,
            more.get("retry_count", 0),
            due,
            taken,
        )
        self.connection.execute(HISTORY, row)

    def call(self, record: int, run: UUID, claim: int = 1, taken: float = TAKEN) -> None:
        microseconds = (instant(taken) - datetime(2000, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        with self.calls.open("a") as calls:
            calls.write(f"{record}\t{claim}\t{run}\t{microseconds}\n")

    def slice(self, *records: int, **more: Any) -> UUID:
        """A slice that breaks no rule, unless `more` causes a violation."""
        run = self.run()
        for record in records:
            self.call(record, run, taken=more.get("taken", TAKEN))
            self.arrow(record, "pending → completed", run, **more)
        return run

    def claimed(self, record: int, claim: int = 1, flow_name: str = "notice", taken: float = TAKEN) -> UUID:
        """A record that is claimed and completed without a slice."""
        run = self.run(flow_name)
        self.arrow(record, "pending → processing", run, claim, at=taken, taken=taken, flow_name=flow_name)
        self.call(record, run, claim, taken)
        self.arrow(
            record, "processing → completed", run, claim, at=taken + DONE, taken=taken, flow_name=flow_name
        )
        return run

    def lost(self, record: int, claim: int = 1, taken: float = TAKEN, flow_name: str = "notice") -> UUID:
        """A slice that ended without an outcome."""
        run = self.run(flow_name)
        self.call(record, run, claim, taken)
        return run

    def charge(self, record: int, claim: int, run: UUID) -> None:
        self.connection.execute(ATTEMPT, [record, claim, run])

    def broken(self) -> set[str]:
        ledger.enter(self.connection, [], self.calls, ["notice"], self.crashed_at)
        return set(ledger.violations(self.connection)) & LOOKED_AT


@pytest.fixture
def story(clean_database_url: str, tmp_path: Path) -> Iterator[Story]:
    connection = psycopg.connect(clean_database_url)
    yield Story(connection, tmp_path)
    connection.close()


def completed_in_a_slice(story: Story) -> None:
    story.slice(story.record(), story.record())


def claimed_as_always(story: Story) -> None:
    story.claimed(story.record())
    story.claimed(story.record("letter"), flow_name="letter")


def lost_and_claimed(story: Story) -> None:
    record = story.record()
    story.lost(record)
    story.claimed(record, taken=2)


def lost_and_tried_again_after_a_claim(story: Story) -> None:
    """The record was claimed and given back, so its row no longer has the mark (`xmax`) that the first slice's lock
    had left."""
    record, run = story.record(), story.run()
    story.lost(record)
    story.arrow(record, "pending → processing", run, 1, at=1, taken=1)
    story.arrow(record, "processing → pending", None, 1, at=2)
    story.lost(record, claim=2, taken=3)
    story.claimed(record, claim=2, taken=4)


def held_again_after_a_crash_of_postgres(story: Story) -> None:
    record = story.record()
    story.crashed_at = [instant(0.5).timestamp()]
    story.lost(record)
    story.slice(record, taken=60, at=60.05)


def converted(story: Story) -> None:
    """A slice took too long, so the run claimed the records that the slice had only locked. One record failed."""
    record, run = story.record(), story.run()
    story.call(record, run)
    story.arrow(record, "pending → processing", run)
    story.charge(record, 1, run)
    story.arrow(record, "processing → pending", None, retry_count=1)


RIGHT: list[Callable[[Story], None]] = [
    *(completed_in_a_slice, claimed_as_always, lost_and_claimed, lost_and_tried_again_after_a_claim),
    *(held_again_after_a_crash_of_postgres, converted),
]


def a_slice_of_a_flow_that_may_not(story: Story) -> None:
    record, run = story.record("letter"), story.run("letter")
    story.call(record, run)
    story.arrow(record, "pending → completed", run, flow_name="letter")


def an_express_attempt_of_a_flow_that_may_not(story: Story) -> None:
    record = story.record("letter")
    story.lost(record, flow_name="letter")
    story.claimed(record, flow_name="letter", taken=2)


def another_arrow(story: Story) -> None:
    record = story.record()
    story.arrow(record, "pending → failed", story.slice(record))


def an_attempt_that_nobody_claimed(story: Story) -> None:
    record = story.record()
    story.lost(record, claim=2, taken=2)
    story.claimed(record)


def two_calls_in_one_slice(story: Story) -> None:
    record = story.record()
    story.call(record, story.slice(record))


def two_lost_attempts(story: Story) -> None:
    record = story.record()
    story.lost(record)
    story.lost(record, taken=2)
    story.claimed(record, taken=4)


def held_again(story: Story) -> None:
    record = story.record()
    story.crashed_at = [instant(2).timestamp()]  # after the mark of the lock was flushed
    story.lost(record)
    story.slice(record, taken=60, at=60.05)


def held_after_a_failure(story: Story) -> None:
    record = story.record()
    story.slice(record, retry_count=1)


def held_after_a_strike(story: Story) -> None:
    record, run = story.record(), story.run()
    story.arrow(record, "pending → processing", run, at=-0.5, taken=-0.5)
    story.charge(record, 1, run)
    story.arrow(record, "processing → pending", None, at=-0.3)
    story.slice(record, claim=2)
    story.calls.unlink()


def struck_for_a_slice(story: Story) -> None:
    record = story.record()
    story.charge(record, 1, story.lost(record))
    story.claimed(record, taken=2)


def a_slice_of_nobody(story: Story) -> None:
    story.arrow(story.record(), "pending → completed", None)


def a_slice_of_another_flow(story: Story) -> None:
    story.arrow(story.record(), "pending → completed", story.run("letter"))


def too_many_calls(story: Story) -> None:
    run = story.run()
    for record in [story.record() for _ in range(3)]:
        story.call(record, run)
        story.claimed(record, taken=2)


def too_large_a_slice(story: Story) -> None:
    story.slice(*(story.record() for _ in range(3)))


def a_jump(story: Story) -> None:
    story.arrow(story.record(), "pending → completed", story.run(), claim=2)


def held_before_it_was_due(story: Story) -> None:
    """The handler ran before the record was due, and the outcome was written when the record was due."""
    story.slice(story.record(), due=0.02)


def completed_late(story: Story) -> None:
    story.slice(story.record(), taken=200, at=200)


# The rule TOO_MANY counts all records that one transaction claims as one claim. The whole `Story` is one transaction,
# and the batch size is 2. So three records in a `Story` also break this rule.
WRONG: list[tuple[Callable[[Story], None], Sequence[str]]] = [
    (a_slice_of_a_flow_that_may_not, [NO_ARROW]),
    (an_express_attempt_of_a_flow_that_may_not, [NEVER_CLAIMED]),
    (another_arrow, [NO_ARROW]),
    (an_attempt_that_nobody_claimed, [NEVER_CLAIMED]),
    (two_calls_in_one_slice, [TWICE]),
    (two_lost_attempts, [TRIED_AGAIN]),
    (held_again, [HELD_AGAIN]),
    (held_after_a_failure, [NOT_INNOCENT]),
    (held_after_a_strike, [NOT_INNOCENT]),
    (struck_for_a_slice, [CHARGED]),
    (a_slice_of_nobody, [NOBODY]),
    (a_slice_of_another_flow, [NOBODY]),
    (too_many_calls, [TOO_MANY, TOO_MANY_CALLS]),
    (too_large_a_slice, [TOO_MANY, TOO_MANY_CALLS]),
    (a_jump, [JUMPED]),
    (held_before_it_was_due, [TOO_EARLY]),
    (completed_late, [WAITED]),
]


@pytest.mark.parametrize("happened", RIGHT)
def test_what_may_happen_breaks_no_rule(story: Story, happened: Callable[[Story], None]) -> None:
    happened(story)
    assert story.broken() == set()


@pytest.mark.parametrize(("happened", "rules"), WRONG)
def test_what_must_not_happen_breaks_its_rule(
    story: Story, happened: Callable[[Story], None], rules: Sequence[str]
) -> None:
    happened(story)
    assert story.broken() == set(rules)


def test_each_of_these_rules_has_a_violation_here() -> None:
    assert {rule for _, rules in WRONG for rule in rules} == LOOKED_AT


def test_slices_and_lost_attempts_are_counted(story: Story) -> None:
    completed_in_a_slice(story)
    lost_and_claimed(story)
    story.broken()
    assert slice_counts(story.connection) == {"notice": 2}
    assert lost_attempts(story.connection) == 1


def test_which_flows_may_be_express_says_the_product() -> None:
    assert flows_that_may_be_express(by_itself=False) == ["receipt"]
    assert flows_that_may_be_express(by_itself=True) == ["notice", "receipt", "transfer"]


def test_a_run_of_another_size_has_the_same_pace() -> None:
    assert sized(SHORT, None, None, express=False) == SHORT
    assert sized(LONG, 1_000_000, 2_000, express=False) == LONG
    larger = sized(SHORT, 60_000, 200, express=True)
    assert (larger.record_count, larger.seconds, larger.counts) == (63_000, 110, SHORT.counts)
    assert larger.quotas == SHORT.quotas | {"records": 60_000, "hostile records": 120, SLICES: 6_000}
    tormented = sized(SHORT, None, 400, express=False)
    assert (tormented.record_count, tormented.quotas["faults"], tormented.quotas["kills"]) == (
        31_500,
        400,
        40,
    )
    assert tormented.counts == {fault: 2 * count for fault, count in SHORT.counts.items()}


def test_a_run_with_express_that_had_no_slices_misses_a_quota() -> None:
    result = Result(1, {SLICES: 10}, is_express=True)
    assert result.missed == {SLICES: 0}
    result.slice_counts = {"notice": 6, "receipt": 4}
    assert result.missed == {}
