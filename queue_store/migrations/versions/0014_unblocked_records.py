"""The database states whether a record's order key keeps it from being claimed.

Locks: `flows` for a moment, to rewrite its few rows.
Safe while workers run: yes. Code of before goes on with the statements that it knows. The roles must
be granted again before workers of this code start, because they claim through a view: `queuectl migrate` does it.
"""

from queue_store.migrations import run_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_file(__file__)
