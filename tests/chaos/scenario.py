"""A short run in one process, with forced races. Each hazard happens once.

In the chaos run, hazards happen by chance and in large numbers. In this scenario, each hazard is certain. So one
second is enough to find out whether the checks of ledger.py catch a mutant.
"""

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from queue_store.errors import CommitUnknownError, ConflictError, DatabaseUnavailableError
from queue_store.liveness import worker_processes
from queue_store.records.record import Outcome, Record, Snooze
from queue_store.runs.run import Run
from tests.chaos import ledger
from tests.chaos.producer import INSERT, keys
from tests.support.store import Store, completed, failed

RETRY_SECONDS = 0.2
HAZARDS = (
    "zombie_wakes_up",
    "stale_thread_of_the_same_run",
    "claim_under_a_bad_plan",
    "two_claim_at_once",
    "connection_breaks_before_commit",
    "answer_of_commit_is_lost",
    "worker_dies_between_two_records",
    "rescue_meets_a_lock",
    "attempts_fail",
    "future_records",
    "deploy",
)


class _RefusedError(Exception):
    pass


class Scenario:
    """The hazards, and a worker that undergoes them. A mutant is a subclass of this class, or replaces a statement."""

    settle_seconds = 3.0  # if a mutant has unfinished records after this time, it never finishes them

    def __init__(self, store: Store, directory: Path) -> None:
        self.store = store
        self.journal = directory / "journal"
        self.calls = directory / "calls"
        self.waited = False
        with psycopg.connect(self._url()) as connection:
            ledger.prepare(connection)
        for flow_name in ("transfer", "notice"):
            store.add_flow(flow_name)

    def violations(self) -> dict[str, Any]:
        with psycopg.connect(self._url()) as connection:
            ledger.enter(connection, [self.journal], self.calls)
            found: dict[str, Any] = dict(ledger.violations(connection))
        return found | ({"a claimer waited for another one": True} if self.waited else {})

    def perform(self, *hazards: str) -> None:
        for hazard in hazards or HAZARDS:
            with suppress(DatabaseUnavailableError):
                getattr(self, hazard)()
            self.settle()

    # the hazards

    def zombie_wakes_up(self) -> None:
        self.enqueue("zombie", "transfer")
        zombie, owner = self.run("transfer"), self.run("transfer")
        stale = zombie.begin()
        self.die(zombie)
        batch = owner.begin()
        self.work(zombie, stale)
        self.work(owner, batch)
        owner.end()

    def stale_thread_of_the_same_run(self) -> None:
        self.enqueue("stale", "transfer")
        run = self.run("transfer")
        first = run.begin()[:1]
        run.write([Snooze(first[0], 0)])
        self.store.execute(
            "UPDATE processing_queue SET scheduled_at = '2001-01-01' WHERE id = %s", (first[0].id,)
        )
        run.position.drop()
        again = [record for record in run.claim() if record.id == first[0].id]
        self.work(run, first)
        self.work(run, again)
        run.end()

    def claim_under_a_bad_plan(self) -> None:
        self.enqueue("plan", "notice")
        run = self.run("notice")
        for name in ("hashjoin", "mergejoin", "material", "bitmapscan"):
            run.held.driver.execute(f"SET enable_{name} = off".encode())
        run.held.driver.commit()
        self.work_off(run)
        run.held.driver.execute("RESET ALL")
        run.held.driver.commit()

    def two_claim_at_once(self) -> None:
        self.enqueue("two", "notice")
        first, second = self.run("notice"), self.run("notice")
        second.begin()
        second.held.driver.execute("SET lock_timeout = '100ms'")
        second.held.driver.commit()
        with first.held.transaction() as cursor:
            cursor.execute(
                "SELECT FROM processing_queue WHERE status = 'pending' ORDER BY id LIMIT 5 FOR UPDATE"
            )
            try:
                second.claim()
            except ConflictError:
                self.waited = True
        second.end()

    def connection_breaks_before_commit(self) -> None:
        self.enqueue("broken", "notice")
        run = self.run("notice")
        batch = run.begin()
        self.store.query("SELECT pg_terminate_backend(%s, 2000)", (run.held.driver.info.backend_pid,))
        try:
            self.note_calls(batch)
            run.write(completed(batch))
        except DatabaseUnavailableError:
            self.after_broken_write(run, batch)

    def answer_of_commit_is_lost(self) -> None:
        self.enqueue("answer", "transfer")
        run = self.run("transfer")
        batch = run.begin()
        self.work(run, batch)
        try:
            raise CommitUnknownError("the answer was lost")
        except CommitUnknownError:
            self.after_broken_write(run, batch)

    def worker_dies_between_two_records(self) -> None:
        self.enqueue("dies", "transfer")
        run = self.run("transfer")
        batch = run.begin()
        self.work(run, batch[:4], then_die=True)
        self.die(run)

    def rescue_meets_a_lock(self) -> None:
        self.enqueue("lock", "notice")
        run = self.run("notice")
        batch = run.begin()
        with self.store.held().transaction() as cursor:
            cursor.execute("SELECT FROM processing_queue WHERE id = %s FOR UPDATE", (batch[0].id,))
            self.die(run)

    def attempts_fail(self) -> None:
        self.enqueue("fails", "notice", "retry")
        self.enqueue("never", "transfer", "fail")

    def future_records(self) -> None:
        self.enqueue("future", "notice")
        self.store.execute(
            "UPDATE processing_queue SET scheduled_at = now() + interval '300 ms' WHERE status = 'pending'"
        )
        self.work_off(self.run("notice"))
        time.sleep(0.3)

    def deploy(self) -> None:
        self.enqueue("deploy", "notice")
        run = self.run("notice")
        batch = run.begin()
        self.work(run, batch[:3])
        run.release(batch[3:])
        run.end()

    # the worker

    def run(self, flow_name: str) -> Run:
        return self.store.run(flow_name=flow_name)

    def work_off(self, run: Run) -> None:
        batch = run.begin()
        while batch:
            self.work(run, batch)
            batch = run.claim()
        if run.is_registered:
            run.end()

    def work(self, run: Run, records: Sequence[Record], *, then_die: bool = False) -> None:
        if run.options.flow_name == "notice":
            self.note_calls(records)
            run.write(self.outcomes(records))
            return
        remaining = list(records)
        while remaining:
            refused = self.one_commit(run, remaining, then_die=then_die)
            if not refused:
                return
            remaining = [record for record in remaining if record.id not in refused]

    def one_commit(self, run: Run, records: Sequence[Record], *, then_die: bool) -> list[int]:
        """Returns the ids that the fence refused. If the fence refused any id, nothing was committed."""
        written = None
        with suppress(_RefusedError), run.held.transaction() as cursor:
            self.effects(cursor, [r for r in records if r.payload["how"] != "fail"])
            if then_die:
                raise _RefusedError
            written = run.write_in(cursor, self.outcomes(records))
            if written.refused_ids:
                raise _RefusedError
        return written.refused_ids if written else []

    def effects(self, cursor: Any, records: Sequence[Record]) -> None:
        for record in records:
            cursor.execute("INSERT INTO effects VALUES (%s, %s)", (record.id, record.claim_number))

    def outcomes(self, records: Sequence[Record]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for record in records:
            how = record.payload["how"]
            if how == "fail":
                outcomes += failed([record])
            elif how == "retry" and record.attempt_number == 1:
                outcomes += failed([record], RETRY_SECONDS)
            else:
                outcomes += completed([record])
        return outcomes

    def note_calls(self, records: Sequence[Record]) -> None:
        with self.calls.open("a") as calls:
            calls.writelines(map(ledger.call, records))

    def after_broken_write(self, run: Run, records: Sequence[Record]) -> None:
        """Writes again, because it is not known whether the first write was committed."""
        run.reopen()
        run.write_again(completed(records))
        run.end()

    def die(self, run: Run) -> None:
        """Makes the run's heartbeat older than the lease, and calls rescue. The run itself can continue to work."""
        self.beat(run)
        self.store.age(run, 60)
        self.store.rescue.sweep()
        self.store.execute(
            "UPDATE processing_queue SET batch_limit = NULL WHERE batch_limit IS NOT NULL AND status = 'pending'"
        )

    def beat(self, run: Run) -> None:
        with self.store.database.transaction() as cursor:
            worker_processes.beat_run(cursor, run.flow_instance_id, run.counts)

    def enqueue(self, batch: str, flow_name: str, how: str = "ok") -> None:
        payloads = [json.dumps({"key": key, "how": how}) for key in keys(batch)]
        self.acknowledge(batch)
        self.store.execute(INSERT, {"flow_name": flow_name, "payloads": payloads})

    def acknowledge(self, batch: str) -> None:
        with self.journal.open("a") as journal:
            journal.write(json.dumps({"tried": batch}) + "\n" + json.dumps({"acknowledged": batch}) + "\n")

    def settle(self) -> None:
        """Lets new runs process the due records until no record is unfinished, or `settle_seconds` are over."""
        deadline = time.monotonic() + self.settle_seconds
        self.store.close()
        while self.unfinished() and time.monotonic() < deadline:
            self.store.rescue.sweep()
            for flow_name in ("transfer", "notice"):
                with suppress(DatabaseUnavailableError):
                    self.work_off(self.run(flow_name))
            self.store.close()
            time.sleep(0.02)
        self.store.execute(
            "UPDATE worker_processes SET state = 'ended', ended_at = now() WHERE ended_at IS NULL"
        )

    def unfinished(self) -> list[int]:
        rows = self.store.query("SELECT id FROM processing_queue WHERE status IN ('pending', 'processing')")
        return [row[0] for row in rows]

    def _url(self) -> str:
        url = self.store.database.settings.url.set(drivername="postgresql")
        return url.render_as_string(hide_password=False)
