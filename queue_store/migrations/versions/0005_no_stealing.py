"""A running record cannot be given to another run by an UPDATE: only through rescue and a new claim.

Locks: processing_queue against writes, for an instant.
Safe while workers run: yes, no arrow of the system does this.
"""

from queue_store.migrations import run_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_file(__file__)
