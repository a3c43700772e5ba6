"""Names of the contacts that processes have channels to. Indexes for the attempts of a run and the runs of a process.

Locks: nothing for long; the indexes are built beside the work, and wait for transactions that began before them.
Safe while workers run: yes. Workers of before store notifications only for the contacts of their own settings, as they
did.
"""

from alembic import op

from queue_store.migrations import run_file
from queue_store.queue_schema import in_queue_schema

revision = "0017"
down_revision = "0016"

INDEXES = {
    "record_attempts_run": "record_attempts (flow_instance_id)",
    "flow_execution_logs_process": "flow_execution_logs (worker_process_id, started_at)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it keeps nobody waiting, however long it waits
        try:
            for name, columns in INDEXES.items():
                drop = f"DROP INDEX CONCURRENTLY IF EXISTS public.{name}"  # left by an interrupted attempt
                for statement in (drop, f"CREATE INDEX CONCURRENTLY {name} ON public.{columns}"):
                    op.execute(in_queue_schema(statement.encode()).decode())
        finally:
            op.execute("SET lock_timeout = '5s'")
    run_file(__file__)
