"""`enqueue_record` takes payloads with tuples, and payloads of strict types that carry `$version`. Before, it refused
them. Recursive types whose unions are tagged are checked without repeated work.

Kind: expand.
Locks: nothing that others wait for.
Safe while workers run: yes.
"""

from queue_store.migrations import run_file

revision = "0003_check_of_payloads"
down_revision = "0002_quick_check_of_names"


def upgrade() -> None:
    run_file(__file__)
