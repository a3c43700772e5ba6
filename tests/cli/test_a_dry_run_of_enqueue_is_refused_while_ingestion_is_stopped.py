"""While ingestion is stopped, a dry run of `queuectl enqueue` is refused exactly when the same call without --dry-run
is refused, and says the same."""

from pathlib import Path
from typing import Any

import pytest

from queue_store import DatabaseManager, DistributedProcessor
from queue_store.enqueueing import bulk, dry_run
from tests.cli.test_cli import QueueCtl
from tests.support.flow_rows import register_flow

ALL = ("--ingestion", "--reason", "INC-17", "--yes")
ONE = ("survey", "--ingestion")


@pytest.fixture
def queuectl(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> QueueCtl:
    register_flow(database, "survey")
    register_flow(database, "letters")
    DistributedProcessor(database).enqueue("survey", {}, dedup_key="P")
    return QueueCtl(database, monkeypatch)


def both(queuectl: QueueCtl, folder: Path, orders: str, *options: str, exit_code: int) -> list[Any]:
    """The error of the dry run and the error of the call. Both must end with `exit_code`."""
    path = folder / "orders.csv"
    path.write_text("\n".join(["order", *orders, ""]))
    words = ("enqueue", path, "--flow", "survey", "--dedup-by", "order", *options)
    would = queuectl.json(*words, "--dry-run", exit_code=exit_code)
    assert len(queuectl.statuses) == 1
    return [document.get("error") for document in (would, queuectl.json(*words, exit_code=exit_code))]


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        (ALL, "ingestion is stopped for all flows: INC-17"),
        (ONE, "ingestion is stopped for flow survey: no reason given"),
    ],
)
@pytest.mark.parametrize("on_duplicate", ["raise", "skip", "replace"])
def test_a_new_record_is_refused(
    queuectl: QueueCtl, tmp_path: Path, stop: tuple[str, ...], said: str, on_duplicate: str
) -> None:
    queuectl("stop", *stop)
    would, done = both(queuectl, tmp_path, "AB", "--on-duplicate", on_duplicate, exit_code=1)
    assert would == done
    assert said in would


@pytest.mark.parametrize("on_duplicate", ["skip", "replace"])
def test_a_file_without_a_new_record_is_accepted(
    queuectl: QueueCtl, tmp_path: Path, on_duplicate: str
) -> None:
    queuectl("stop", *ALL)
    for orders in ("", "P"):
        both(queuectl, tmp_path, orders, "--on-duplicate", on_duplicate, exit_code=0)


def test_a_new_record_after_duplicates_is_refused(queuectl: QueueCtl, tmp_path: Path) -> None:
    queuectl("stop", *ALL)
    would, done = both(queuectl, tmp_path, "PPA", "--on-duplicate", "skip", exit_code=1)
    assert would == done


@pytest.mark.parametrize("at_once", [1, 4_000])
def test_the_first_of_several_problems_is_the_same(
    queuectl: QueueCtl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(bulk, "CHUNK_RECORDS", at_once)
    monkeypatch.setattr(dry_run, "RECORDS_AT_ONCE", at_once)
    queuectl("stop", *ALL)
    would, done = both(queuectl, tmp_path, "AP", exit_code=1)
    assert ["ingestion is stopped" in text for text in (would, done)] == [at_once == 1] * 2


@pytest.mark.parametrize("stop", [("letters", "--ingestion"), ("--processing", "--yes")])
def test_another_stop_refuses_nothing(queuectl: QueueCtl, tmp_path: Path, stop: tuple[str, ...]) -> None:
    queuectl("stop", *stop)
    assert both(queuectl, tmp_path, "AB", exit_code=0) == [None, None]
