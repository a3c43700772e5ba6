"""Watching and maintenance: alerts with a life, the schedule's occurrences, maintenance runs, baselines.

Locks: worker_processes for a moment (a column without a default is added).
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_file(__file__)
