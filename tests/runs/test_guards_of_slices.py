"""For every guard in the statements of express slices, there is a test that fails if the guard is removed."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.mutant import VARIABLE
from tests.support.pgbouncer import direct_only
from tests.support.servers import POSTGRES_VARIABLE, REDIS_VARIABLE, PostgresServer

pytestmark = [pytest.mark.long, direct_only]

SLICES = "tests/runs/test_express_slices.py"
ONE_ATTEMPT = "tests/runs/test_one_express_attempt.py"
BY_ITSELF = "tests/run_loop/test_express_by_itself.py"
SUCCESSION = "tests/runs/test_succession_after_slice.py"
BEGIN, HOLD, END = "runs/begin_slice", "runs/hold_records", "runs/end_idle_run"
COMPLETE, CLAIM = "arrows/complete_held", "arrows/claim_held"
MARK = "AND (%(mark)s::xid IS NULL OR q.xmax = %(mark)s::xid)"
STATES = "AND run.state IN ('running', 'stopping')"

# For each guard: its statement, its text, the text of the mutant, and the file whose tests fail with the mutant.
MUTANTS: dict[str, tuple[str, str, str, str]] = {
    "no lock": (HOLD, "FOR NO KEY UPDATE SKIP LOCKED", "", SLICES),
    "waits for what others hold": (HOLD, "FOR NO KEY UPDATE SKIP LOCKED", "FOR NO KEY UPDATE NOWAIT", SLICES),
    "while the flow is paused": (HOLD, " AND f.paused_at IS NULL", "", SLICES),
    "while processing is stopped": (HOLD, "ON c.processing_stopped_at IS NULL", "ON true", SLICES),
    "in a run that is over": (HOLD, " AND run.state = 'running'", "", SLICES),
    "a second express attempt": (HOLD, "q.xmax = 0 AND", "", ONE_ATTEMPT),
    "records in order": (HOLD, " AND q.order_key IS NULL", "", ONE_ATTEMPT),
    "records that failed": (HOLD, " AND q.retry_count = 0", "", ONE_ATTEMPT),
    "records that killed": (HOLD, " AND q.crash_strikes = 0", "", ONE_ATTEMPT),
    "records whose claims ended without an outcome": (HOLD, " AND q.unfinished_claims = 0", "", ONE_ATTEMPT),
    "own dedup key in one COMMIT": (HOLD, "AND (q.dedup_key IS NULL OR NOT %(is_one_commit)s::boolean)", "", BY_ITSELF),
    "suspects": (HOLD, "AND q.batch_limit IS NULL ", "", ONE_ATTEMPT),
    "what is not due": (HOLD, "AND q.scheduled_at <= now()", "", SLICES),
    "completed under a wrong number": (COMPLETE, "q.claim_number = o.claim_number - 1", "true", SLICES),
    "completed by a run that is over": (COMPLETE, STATES, "", SLICES),
    "completed what another changed": (COMPLETE, MARK, "", ONE_ATTEMPT),
    "completed what is not pending": (COMPLETE, "public.unindexed(q.status) = 'pending'", "true", SLICES),
    "counted no claim": (COMPLETE, "count(*), coalesce(sum(wait), 0)", "0, coalesce(sum(wait), 0)", SLICES),
    "claimed under a wrong number": (CLAIM, "q.claim_number = o.claim_number - 1", "true", SLICES),
    "claimed by a run that is over": (CLAIM, STATES, "", SLICES),
    "claimed what another changed": (CLAIM, MARK, "", ONE_ATTEMPT),
    "the death of a run is forgotten": ("runs/has_died_lately", "r.state = 'dead'", "false", ONE_ATTEMPT),
    "the death of another flow's run": ("runs/has_died_lately", "r.flow_name = %(flow_name)s AND ", "", ONE_ATTEMPT),
    "a frozen session keeps its locks": (
        BEGIN, "set_config('idle_in_transaction_session_timeout', %(idle_timeout)s, true)", "''", ONE_ATTEMPT,
    ),
    "ends although a record became due": (END, "(SELECT clock_timestamp())", "now()", SUCCESSION),
    "nobody finds the session": (BEGIN, "pg_advisory_xact_lock_shared(%(session_lock)s)", "1", ONE_ATTEMPT),
}  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_guard_is_held_by_a_test(postgres_server: PostgresServer, redis_url: str, mutant: str) -> None:
    statement, before, after, tests = MUTANTS[mutant]
    environment = {
        **os.environ,
        VARIABLE: json.dumps([statement, before, after]),
        POSTGRES_VARIABLE: postgres_server.url,
        REDIS_VARIABLE: redis_url,
    }
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.mutant",
        "-p",
        "no:cacheprovider",
        "-qx",
        tests,
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout[-3000:] + done.stderr[-3000:]
    assert "AssertionError: the mutant does not fit" not in done.stdout
