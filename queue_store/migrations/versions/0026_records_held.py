"""The records of express slices are seen: the heartbeat of a run says how many it holds.

Locks: flow_execution_logs, for the moment of adding a column.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_file(__file__)
