"""Express runs: a record may be claimed and completed by one UPDATE.

Locks: processing_queue and flow_execution_logs, for the moment of replacing a trigger and of building a small index.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_file(__file__)
