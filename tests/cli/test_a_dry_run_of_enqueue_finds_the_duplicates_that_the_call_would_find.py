"""A dry run of `queuectl enqueue` finds the duplicates that the same call without --dry-run finds: earlier lines of the
file, and unfinished records."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from queue_store import DatabaseManager, DistributedProcessor
from queue_store.enqueueing import dry_run
from tests.cli.test_cli import QueueCtl
from tests.support.flow_rows import register_flow, start_processing

COUNTS = ("duplicates", "running_duplicates")
Enqueue = Callable[..., Any]


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    register_flow(database, "survey")
    return QueueCtl(database, monkeypatch)


@pytest.fixture
def enqueue(queuectl: QueueCtl, tmp_path: Path) -> Enqueue:
    def call(orders: str, *options: str, exit_code: int = 0, method: str = "json") -> Any:
        path = tmp_path / "orders.csv"
        path.write_text("\n".join(["order", *orders, ""]))
        words = ("enqueue", path, "--flow", "survey", "--dedup-by", "order", *options)
        caller = queuectl.json if method == "json" else queuectl
        return caller(*words, exit_code=exit_code)

    return call


@pytest.fixture
def records(queuectl: QueueCtl) -> None:
    """The pending record P, the running record R and the cancelled record C."""
    queue = DistributedProcessor(queuectl.database)
    _, running, cancelled = (queue.enqueue("survey", {}, dedup_key=key).id for key in "PRC")
    start_processing(queuectl.database, running)
    queue.cancel([cancelled], actor="Olga")


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("on_duplicate", ["skip", "replace"])
@pytest.mark.parametrize("records_at_once", [1, 4_000])
def test_the_dry_run_counts_what_the_call_counts(
    enqueue: Enqueue, monkeypatch: pytest.MonkeyPatch, on_duplicate: str, records_at_once: int
) -> None:
    monkeypatch.setattr(dry_run, "RECORDS_AT_ONCE", records_at_once)
    options = ("ABAPRCRC", "--on-duplicate", on_duplicate)
    would, again = enqueue(*options, "--dry-run"), enqueue(*options, "--dry-run")
    done = enqueue(*options)
    assert would == again
    assert (would["enqueued"], would["valid"]) == (0, 8)
    assert would["valid"] - would["duplicates"] == done["enqueued"] == 3
    assert [would[name] for name in COUNTS] == [done[name] for name in COUNTS]
    assert would["running_duplicates"] == (2 if on_duplicate == "replace" else 0)


@pytest.mark.usefixtures("records")
def test_the_sentence_names_the_duplicates(enqueue: Enqueue) -> None:
    words = ("AAR", "--on-duplicate", "replace")
    would = enqueue(*words, "--dry-run", method="text").stdout
    assert would == (
        "1 record could be enqueued for survey. 2 duplicates. "
        "1 of them is running already: its payload would not be replaced. Nothing was enqueued.\n"
    )
    done = enqueue(*words, method="text").stdout
    assert done == (
        "1 record enqueued for survey. 2 duplicates. 1 of them is running already: its payload was not replaced.\n"
    )


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ("ABA", "an earlier line has the same dedup_key A"),
        ("AR", "has the same dedup_key R and is not finished"),
    ],
)
def test_both_refuse_a_duplicate_by_default(enqueue: Enqueue, orders: str, reason: str) -> None:
    assert reason in enqueue(orders, "--dry-run", exit_code=1, method="text").stderr
    assert enqueue(orders, "--dry-run", exit_code=1)["exit_code"] == 1
    assert enqueue(orders, exit_code=1)["exit_code"] == 1


@pytest.mark.usefixtures("records")
def test_the_key_of_a_finished_record_is_free(enqueue: Enqueue) -> None:
    assert enqueue("CA", "--dry-run")["duplicates"] == 0
    assert enqueue("CA")["enqueued"] == 2
