"""New payloads and results have at most 1 MB before Postgres compresses them. Before, a value from a column of another
table could be larger if Postgres had compressed it there, and then no backup of its record could be restored.

Kind: expand.
Locks: processing_queue against other writers, for a moment.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0004_limit_before_compression"
down_revision = "0003_check_of_payloads"


def upgrade() -> None:
    run_file(__file__)
