"""The schema of the first release, 0.1.0.

Kind: expand.
Locks: nothing. A database with an older schema of the queue is refused.
Safe while workers run: yes. Before this migration, no worker can run.
"""

from queue_store.migrations import run_files

revision = "0001_initial"
down_revision = None

FILES = (
    "flows", "workers", "records", "state_machine", "rights", "counts", "accounting", "audit", "payload_schemas",
    "enqueueing", "looking_on", "schedule", "alerting", "sample",
)  # fmt: skip


def upgrade() -> None:
    run_files(__file__, FILES)
