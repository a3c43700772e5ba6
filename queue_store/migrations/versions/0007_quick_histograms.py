"""Histograms are added without a query of their own; a worker process says how many processors it may use.

Locks: worker_processes for a moment (a column without a default is added).
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_file(__file__)
