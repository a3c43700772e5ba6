"""Measures what Postgres itself can do: pgbench runs the system's own claim and completion.

The benchmark reads the statements from `queue_store/sql`, so it always measures the current ones. pgbench keeps the ids
of each claim in variables, from which the completion reads them. For pgbench, the claim ends with a different SELECT,
which gathers the ids into arrays. As in a run, the completion of one batch and the claim of the next batch share a
transaction. Each claim starts its search at the first record that the previous claim found. Each statement is planned
once. Unlike a run, pgbench cannot pipeline statements whose results it needs.

`in_slices` uses the statements of an express slice, which write each record once: one statement both claims and
completes the record.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from psycopg import Connection

from benchmarks import queue_state
from benchmarks.bench_servers import BenchServers
from queue_store.counts.histogram import BOUNDS_SECONDS
from queue_store.database.statements import sql
from queue_store.runs.sessions import session_lock

# The settings of queue_store/sql/runs/plan_once.sql.
PLAN_ONCE = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_bitmapscan=off"
BATCH_SIZE = 100
SLICE_SIZE = 500
CLIENTS = 2
GATHER = """
SELECT coalesce(array_agg(id ORDER BY id), '{}')::text AS ids,
    coalesce(array_agg(claim_number ORDER BY id), '{}')::text AS claim_numbers,
    coalesce(min(id), :cursor_id) AS cursor_id,
    coalesce(extract(epoch FROM min(scheduled_at)), :cursor_at) AS cursor_at,
    max(length(payload::text)) AS longest_payload
FROM {records}
\\gset
"""
REGISTER = """
INSERT INTO flow_execution_logs (flow_instance_id, flow_name, worker_process_id) VALUES (%s, %s, %s)
"""


def drain_with_pgbench(
    servers: BenchServers, connection: Connection[Any], count: int, *, in_slices: bool = False
) -> float:
    """Processes the pending records of `no_op`. Returns records per second."""
    owners = [str(uuid4()) for _ in range(CLIENTS)]
    for owner in owners:
        connection.execute(REGISTER, (owner, "no_op", owner))
    path = servers.directory / "limit.sql"
    path.write_text(script(owners, in_slices=in_slices))
    last = connection.execute("SELECT min(id) - 1 FROM processing_queue WHERE status = 'pending'").fetchone()
    assert last is not None
    run_pgbench(servers, path, transactions=-(-count // (SLICE_SIZE if in_slices else BATCH_SIZE)) + 1)
    connection.execute("UPDATE flow_execution_logs SET state = 'ended', finished_at = now(), settled_at = now() "
                       "WHERE flow_instance_id = ANY(%s::uuid[])", (owners,))  # fmt: skip
    return queue_state.rate_since(connection, last[0], count)


def run_pgbench(servers: BenchServers, script: Path, transactions: int, clients: int = CLIENTS) -> str:
    answer = subprocess.run(
        [servers.programs / "pgbench", servers.url, "--no-vacuum", "--protocol=prepared", f"--file={script}",
         f"--client={clients}", f"--jobs={clients}", f"--transactions={transactions}", "-D", "ids={}", "-D",
         "claim_numbers={}", "-D", "cursor_id=0", "-D", "cursor_at=946684800"],
        capture_output=True, text=True, check=False, env={**os.environ, "PGOPTIONS": PLAN_ONCE},
    )  # fmt: skip
    if answer.returncode != 0 or "aborted" in answer.stderr:
        raise RuntimeError(f"pgbench failed: {answer.stderr[-2000:]}")
    return answer.stdout


def script(owners: list[str], *, in_slices: bool = False) -> str:
    """Returns the pgbench script. Each client is one run, and its writes are fenced by the id of that run."""
    body = _slice if in_slices else _batch
    return "\n".join(
        f"\\if :client_id = {number}\nBEGIN;\n{body(owner)}COMMIT;\n\\endif"
        for number, owner in enumerate(owners)
    )


def _batch(owner: str) -> str:
    return f"{_complete(owner)};\n{_claim(owner)}"


def _slice(owner: str) -> str:
    hold = sql("runs/hold_records").decode().rsplit("SELECT * FROM held", 1)[0]
    complete = _bound(sql("arrows/complete_held").decode(), owner).strip()
    return f"{_bound(hold, owner, SLICE_SIZE)}{GATHER.replace('{records}', 'held')}{complete};\n"


def _claim(owner: str) -> str:
    statement = sql("arrows/claim").decode().rsplit("SELECT * FROM claimed", 1)[0]
    return _bound(statement, owner) + GATHER.replace("{records}", "claimed")


def _complete(owner: str) -> str:
    return _bound(sql("arrows/complete").decode(), owner).strip()


def _bound(statement: str, owner: str, batch_size: int = BATCH_SIZE) -> str:
    """Replaces psycopg's parameters in the statement with pgbench's variables or with literals."""
    ages = "array_fill(0.001::float8, ARRAY[cardinality(:ids::bigint[])])"
    values = {
        "flow_instance_id": f"'{owner}'::uuid",
        "flow_name": "'no_op'",
        "session_lock": str(session_lock(UUID(owner))),
        "levels": "'{0,1,2,3,4,5,6,7,8,9}'",
        "cursor_ats": "array_fill(to_timestamp(:cursor_at::float8), ARRAY[10])",
        "cursor_ids": "array_fill(:cursor_id::bigint, ARRAY[10])",
        "batch_size": str(batch_size),
        "is_one_commit": "false",
        "mark": "NULL",
        "claimed_at": "now()",
        "bounds": "'{" + ",".join(map(str, BOUNDS_SECONDS)) + "}'",
        "ids": ":ids",
        "claim_numbers": ":claim_numbers",
        "started_ages": ages,
        "finished_ages": ages,
        "results": "array_fill(NULL::jsonb, ARRAY[cardinality(:ids::bigint[])])",
        "processing_seconds": "0",
        "processing_histogram": "'{100,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0}'",
    }
    without_comments = re.sub(r"^--.*\n", "", statement, flags=re.MULTILINE)
    return re.sub(r"%\((\w+)\)s", lambda match: values[match[1]], without_comments)
