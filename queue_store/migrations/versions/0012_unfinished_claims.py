"""No record is claimed again and again without a charge.

Locks: processing_queue and flow_execution_logs for an instant; no row is read or rewritten.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_file(__file__)
