"""A dry run of several batches counts and names the same jobs as the import itself, even if jobs of different batches
have the same key."""

from typing import Any

from tests.moving_in.conftest import SCHEMA, Importing
from tests.moving_in.test_procrastinate import FLOWS, Peer, peer

__all__ = ["peer"]

ROWS = ("table jobs", "--flow", "invoice", "--columns", "id", "--dedup-key", "key", "--batch-size", "3")


def same_as_the_import(importing: Importing, *words: str) -> Any:
    dry = importing.json(*words, "--dry-run", exit_code=1)
    assert importing.records() == []
    real = importing.json(*words, exit_code=1)
    assert (dry["moved"], dry["left"]) == (real["moved"], real["left"])
    return real


def test_rows_whose_keys_are_in_an_earlier_batch(importing: Importing) -> None:
    importing.query(
        f"CREATE TABLE {SCHEMA}.jobs (id integer PRIMARY KEY, status text DEFAULT 'pending', key text)"
    )
    importing.query("INSERT INTO jobs (id, key) SELECT n, 'k' || n %% 3 FROM generate_series(1, 6) n")
    importing.query("INSERT INTO jobs (id) VALUES (7), (8)")
    real = same_as_the_import(importing, *ROWS)
    assert (real["moved"], real["left"][0]["ids"]) == ({"invoice": 5}, [4, 5, 6])


def test_a_lock_whose_job_has_a_key_of_an_earlier_batch(importing: Importing, peer: Peer) -> None:
    """Procrastinate allows a queueing_lock again when its job is no longer waiting, so the test removes the index."""
    importing.query(f"DROP INDEX {SCHEMA}.procrastinate_jobs_queueing_lock_idx_v1")
    peer.invoice.configure(queueing_lock="k").defer()
    peer.letter.configure(queueing_lock="k").defer()
    peer.invoice.configure(queueing_lock="k", lock="customer 1").defer()
    peer.invoice.configure(lock="customer 1").defer()
    peer.invoice.configure(queueing_lock="other", lock="customer 2").defer()
    peer.invoice.configure(lock="customer 2").defer()
    real = same_as_the_import(importing, "procrastinate", *FLOWS, "--batch-size", "1")
    assert real["moved"] == {"invoice": 3, "letter": 1}
