"""A dry run of `reset` or `cancel` says what the same call without --dry-run does, and ends with the same exit code."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from queue_store import DatabaseManager, DistributedProcessor
from queue_store.operators import operators
from tasks.cli import main
from tests.support.filling import add_failed
from tests.support.flow_rows import register_flow, start_processing


@pytest.fixture
def processor(
    database: DatabaseManager, clean_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> DistributedProcessor:
    monkeypatch.setenv("DATABASE_URL", clean_database_url)
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
    register_flow(database, "survey")
    return DistributedProcessor(database)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [*map(str, arguments), "--yes"])


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def statuses(processor: DistributedProcessor) -> list[str]:
    with processor.database.transaction() as cursor:
        return [row[0] for row in cursor.execute("SELECT status::text FROM processing_queue ORDER BY id")]


def test_a_record_that_cannot_be_reset_is_skipped_in_both(processor: DistributedProcessor) -> None:
    pending = processor.enqueue("survey", {}).id
    would = call("reset", pending, "--dry-run")
    assert (would.exit_code, would.stdout.split(".")[0]) == (1, "0 records would be reset")
    assert "1 record would be skipped" in would.stdout
    assert call("reset", pending).exit_code == 1


def test_of_two_twins_both_count_one(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey", dedup_key="a")
    add_failed(processor.database, 1, "survey", dedup_key="a")
    would = document(call("reset", "--flow", "survey", "--dry-run", "--json"))
    assert (would["reset_count"], would["skipped_count"], len(would["found_ids"])) == (1, 1, 2)
    done = document(call("reset", "--flow", "survey", "--json"))
    assert (len(done["reset_ids"]), len(done["skipped_ids"])) == (1, 1)


def test_a_running_record_would_only_be_asked(processor: DistributedProcessor) -> None:
    _, running = (processor.enqueue("survey", {}).id for _ in range(2))
    start_processing(processor.database, running)
    would = call("cancel", "--flow", "survey", "--dry-run")
    assert would.stdout == "1 record would be cancelled. 1 running record would be asked to stop.\n"
    counts = document(call("cancel", "--flow", "survey", "--dry-run", "--json"))
    assert (counts["cancelled_count"], counts["asked_count"], counts["skipped_count"]) == (1, 1, 0)
    done = document(call("cancel", "--flow", "survey", "--json"))
    assert (len(done["cancelled_ids"]), len(done["asked_ids"])) == (1, 1)


def test_a_finished_record_is_named_once_and_skipped(processor: DistributedProcessor) -> None:
    add_failed(processor.database, 1, "survey")
    [failed] = processor.find_failed()
    would = call("cancel", failed, failed, "--dry-run")
    assert (would.exit_code, would.stdout) == (
        1, "0 records would be cancelled. 1 record would be skipped as finished or unknown.\n"
    )  # fmt: skip


def test_with_pending_only_a_record_that_was_claimed_after_the_search_is_left_alone(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending, claimed = (processor.enqueue("survey", {}).id for _ in range(2))

    def claim_then_answer(*_: object) -> None:
        start_processing(processor.database, claimed)

    monkeypatch.setattr("tasks.cli.cancel.confirm", claim_then_answer)
    done = document(call("cancel", "--flow", "survey", "--pending-only", "--json"))
    assert (done["cancelled_ids"], done["asked_ids"], done["skipped_ids"]) == ([pending], [], [claimed])
    assert statuses(processor) == ["cancelled", "processing"]
    with processor.database.transaction() as cursor:
        assert cursor.execute("SELECT count(*) FROM cancel_requests").fetchone() == (0,)


def test_with_pending_only_a_dry_run_asks_nobody_either(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, claimed = (processor.enqueue("survey", {}).id for _ in range(2))
    find = operators.Operators.find_unfinished

    def find_then_claim(*arguments: Any, **options: Any) -> list[int]:
        found = find(*arguments, **options)
        start_processing(processor.database, claimed)
        return found

    monkeypatch.setattr(operators.Operators, "find_unfinished", find_then_claim)
    would = call("cancel", "--flow", "survey", "--pending-only", "--dry-run")
    skipped = "1 record would be skipped as locked or no longer pending."
    assert would.stdout == f"1 record would be cancelled. {skipped}\n"


def test_pending_only_needs_a_flow(processor: DistributedProcessor) -> None:
    result = call("cancel", 1, "--pending-only", "--dry-run")
    assert (result.exit_code, "--pending-only needs --flow" in result.stderr) == (64, True)


@pytest.mark.parametrize("command", ["reset", "cancel"])
def test_a_search_that_stopped_at_its_limit_is_not_complete(
    processor: DistributedProcessor, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(operators, "MAXIMUM_RECORDS", 2)
    find = {"reset": "find_failed", "cancel": "find_unfinished"}[command]
    found = getattr(operators.Operators, find)
    monkeypatch.setattr(operators.Operators, find, lambda *a, **o: found(*a, **{**o, "limit": 2}))
    if command == "reset":
        add_failed(processor.database, 3, "survey")
    else:
        processor.enqueue_many("survey", [{}] * 3)
    result = call(command, "--flow", "survey")
    assert (result.exit_code, "Call this command again" in result.stderr) == (1, True)
    assert call(command, "--flow", "survey").exit_code == 0
