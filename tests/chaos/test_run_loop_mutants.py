"""The real run loop, broken on purpose. The ledger, which judges the chaos runs, detects each mutant, and reports
nothing for the unchanged run loop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from queue_store.records.record import Record, Written
from queue_store.runs.run import Run
from tasks import Backoff, FlowContext
from tasks.exceptions import RunLostError
from tasks.run_loop import calls_in_transaction
from tasks.run_loop.one_commit import OneCommit
from tests.chaos import ledger
from tests.chaos.producer import INSERT, keys
from tests.support.flow_runs import Worker, running_worker
from tests.support.store import failed

OPTIONS: dict[str, Any] = {"max_retries": 5, "backoff": Backoff(first_seconds=0.2, factor=1, jitter=0)}
STEAL = """
UPDATE processing_queue SET status = 'pending', claimed_at = NULL, flow_instance_id = NULL
WHERE id = %(id)s AND status = 'processing'
"""
BREAK = """
SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE '%%processing_queue worker%%' AND pid <> pg_backend_pid()
"""


class RunLoopScenario:
    """Runs the records of two flows. Each hazard happens once, during the call of a handler."""

    options = OPTIONS
    express_flows: Sequence[str] = ()
    work_off_seconds = 4.0  # if a mutant has unfinished records after this time, it never finishes them

    def __init__(self, worker: Worker, directory: Path) -> None:
        self.worker = worker
        self.journal, self.calls = directory / "journal", directory / "calls"
        self.url = worker.services.database.settings.url.set(drivername="postgresql").render_as_string()
        self.met: set[str] = set()
        with psycopg.connect(self.url) as connection:
            ledger.prepare(connection)
        self.flows = [worker.declare(handler, **self.options) for handler in (self.transfer(), self.notice())]

    def transfer(self) -> Callable[..., None]:
        def transfer(
            payload: dict[str, Any], connection: "psycopg.Connection[Any]", context: FlowContext
        ) -> None:
            connection.execute(
                "INSERT INTO effects VALUES (%s, %s)", (context.record_id, context.claim_number)
            )
            self.meet(payload, context, connection)

        return transfer

    def notice(self) -> Callable[..., None]:
        def notice(payload: dict[str, Any], context: FlowContext) -> None:
            with self.calls.open("a") as calls:
                calls.write(ledger.call(context.record))
            self.meet(payload, context, None)

        return notice

    def meet(self, payload: dict[str, Any], context: FlowContext, connection: Any) -> None:
        hazard = payload["hazard"]
        if hazard and hazard not in self.met:
            self.met.add(hazard)
            with psycopg.connect(self.url, application_name="hazard", autocommit=True) as rival:
                rival.execute((STEAL if hazard == "stolen" else BREAK).encode(), {"id": context.record_id})
            if connection is not None:
                connection.execute("SELECT 1")
        if payload["how"] == "retry" and context.attempt_number == 1:
            raise ValueError("the first attempt fails")

    def perform(self) -> dict[str, Any]:
        self.enqueue("transfer", "first", {3: {"hazard": "stolen"}, 7: {"how": "retry"}})
        self.work_off()
        self.enqueue("transfer", "second", {30: {"hazard": "slice breaks"}})
        self.enqueue("notice", "third", {5: {"hazard": "write breaks"}, 9: {"how": "retry"}})
        self.work_off()
        self.worker.query(
            "UPDATE worker_processes SET state = 'ended', ended_at = now() WHERE ended_at IS NULL"
        )
        self.worker.services.rescue.sweep()
        with psycopg.connect(self.url) as connection:
            ledger.enter(connection, [self.journal], self.calls, self.express_flows)
            return ledger.violations(connection)

    def work_off(self) -> None:
        ends_at = time.monotonic() + self.work_off_seconds
        while self.worker.statuses().keys() != {"completed"} and time.monotonic() < ends_at:
            for flow in self.flows:
                self.worker.run(flow)
            self.worker.services.rescue.sweep()
            self.worker.query(
                "UPDATE processing_queue SET batch_limit = NULL WHERE batch_limit > 0 AND status = 'pending'"
            )
            time.sleep(0.05)

    def enqueue(self, flow_name: str, batch: str, special: dict[int, dict[str, str]]) -> None:
        plain = {"how": "ok", "hazard": ""}
        payloads = [
            json.dumps({"key": key} | plain | special.get(number, {}))
            for number, key in enumerate(keys(batch))
        ]
        with psycopg.connect(self.url) as connection:
            connection.execute(INSERT, {"flow_name": flow_name, "payloads": payloads})
        with self.journal.open("a") as journal:
            journal.write(json.dumps({"tried": batch}) + "\n" + json.dumps({"acknowledged": batch}) + "\n")


@pytest.fixture
def scenario(
    own_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RunLoopScenario]:
    with running_worker(own_database_url, monkeypatch, max_crash_strikes=1000) as worker:
        yield RunLoopScenario(worker, tmp_path)


def effect_in_another_transaction(
    self: OneCommit, records: list[Record], *, with_savepoints: bool
) -> tuple[Written, Any]:
    right = self.run.write_in
    self.run.write_in = lambda *_: Written()  # type: ignore[method-assign]
    try:
        _, outcomes = COMMIT(self, records, with_savepoints=with_savepoints)
    finally:
        self.run.write_in = right  # type: ignore[method-assign]
    return self.run.write(outcomes), outcomes


def broken_slice_is_failure(self: OneCommit, records: list[Record]) -> int:
    try:
        return SLICE(self, records)
    except RunLostError:
        self.connection.recover()
        self.delivery.wrote(self.run.write(failed(records, 0.2)))
        return len(records)


def broken_write_is_failure(self: Run, outcomes: list[Any]) -> Written:
    return WRITE_AGAIN(self, failed([outcome.record for outcome in outcomes], 0.2))


COMMIT, SLICE, WRITE_AGAIN = OneCommit.commit, OneCommit.work_slice, Run.write_again
MUTANTS: dict[str, tuple[Any, str, Any]] = {
    "what the fence refuses is committed": (OneCommit, "check_fence", lambda *_: None),
    "effects are committed before the completion": (OneCommit, "commit", effect_in_another_transaction),
    "a slice that broke is a failed attempt": (OneCommit, "work_slice", broken_slice_is_failure),
    "a failed record keeps its writes": (
        calls_in_transaction,
        "ROLL_BACK_AND_RELEASE",
        calls_in_transaction.RELEASE,
    ),
    "a write that broke is a failed attempt": (Run, "write_again", broken_write_is_failure),
}


def test_the_right_run_loop_breaks_no_rule(scenario: RunLoopScenario) -> None:
    scenario.work_off_seconds = 60
    assert scenario.perform() == {}
    assert scenario.met == {"stolen", "slice breaks", "write breaks"}


@pytest.mark.long
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_wrong_run_loop_is_caught(
    scenario: RunLoopScenario, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    monkeypatch.setattr(*MUTANTS[mutant])
    assert scenario.perform() != {}


FORKED = """
import os, sys
from queue_store import DatabaseManager
database = DatabaseManager()
if {mutant}:
    DatabaseManager.begin_anew = lambda manager: None
def ask(number):
    with database.transaction() as cursor:
        return cursor.execute("SELECT %s::integer FROM pg_sleep(0.001)", (number,)).fetchall() == [(number,)]
assert ask(0)
child = os.fork()
try:
    right = all(ask(number) for number in range(200 if child else 1000, 400 if child else 1200))
except BaseException:
    right = False
if not child:
    os._exit(0 if right else 1)
sys.exit(0 if right and os.waitpid(child, 0)[1] == 0 else 1)
"""


@pytest.mark.parametrize("mutant", [False, True])
def test_a_connection_that_is_shared_across_a_fork_is_caught(
    own_database_url: str, monkeypatch: pytest.MonkeyPatch, mutant: bool
) -> None:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    process = subprocess.Popen([sys.executable, "-c", FORKED.format(mutant=mutant)], start_new_session=True)
    try:
        exit_code = process.wait(20)
    except subprocess.TimeoutExpired:  # each process waits for an answer that the other process read
        exit_code = 1
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert (exit_code != 0) == mutant
