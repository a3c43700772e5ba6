"""Of the failed records with the same dedup_key, a reset takes only the newest, even if its chunk comes last."""

import pytest

from queue_store import DatabaseManager, DistributedProcessor
from queue_store.operators import operators, record_chunks
from tests.support.filling import add_failed
from tests.support.flow_rows import register_flow


@pytest.fixture
def processor(database: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> DistributedProcessor:
    register_flow(database, "survey")
    register_flow(database, "letters")
    for module in (operators, record_chunks):
        monkeypatch.setattr(module, "CHUNK_RECORDS", 2)
    return DistributedProcessor(database)


def failed_ids(processor: DistributedProcessor) -> list[int]:
    return sorted(processor.find_failed())


def test_the_newest_of_the_twins_is_reset(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey", dedup_key="a")
    add_failed(processor.database, 3, "survey")
    add_failed(processor.database, 1, "letters", dedup_key="a")
    add_failed(processor.database, 1, "survey", dedup_key="a")
    older, *others = failed_ids(processor)
    done = processor.reset([older, *others], actor="Olga")
    assert (done.reset_ids, done.skipped_ids) == (others, [older])


def test_the_newest_is_reset_even_if_the_older_one_could_be_reset_first(
    processor: DistributedProcessor,
) -> None:
    """If the older record were reset, a worker might complete it before the reset reaches the newer record."""
    add_failed(processor.database, 1, "survey", dedup_key="a")
    add_failed(processor.database, 3, "survey")
    add_failed(processor.database, 1, "survey", dedup_key="a")
    ids = failed_ids(processor)

    def complete_reset(_: int) -> None:
        with processor.database.transaction() as cursor:
            cursor.execute("UPDATE processing_queue SET status = 'cancelled' WHERE status = 'pending'")

    processor.on_progress = complete_reset
    done = processor.reset(ids, actor="Olga")
    assert (done.reset_ids, done.skipped_ids) == (ids[1:], ids[:1])
