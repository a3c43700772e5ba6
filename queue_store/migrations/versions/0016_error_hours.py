"""What failed, counted by hour, flow and kind of error; and which beats stopped in order.

Locks: record_attempts, rollup_deltas and beats for a moment; the attempts of the last eight days are read once before.
Safe while workers run: yes. Workers of before are counted too, because a trigger counts.
"""

from queue_store.migrations import run_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_file(__file__)
