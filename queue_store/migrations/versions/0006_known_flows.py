"""Producers may know which flows there are, without a right to read the table.

Locks: nothing that exists.
Safe while workers run: yes, it only adds a function.
"""

from queue_store.migrations import run_file

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_file(__file__)
