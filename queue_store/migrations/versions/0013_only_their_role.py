"""A login is only its role: definer functions, row ownership, limited producers, and a sealed audit log.

Locks: audit_log, until its rows are sealed. Nothing else that workers use, but for the moment of replacing a function.
Safe while workers run: yes. Code of before works on; its operators' commands wait while the audit log is sealed.
"""

from queue_store.migrations import run_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_file(__file__)
