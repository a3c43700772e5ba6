"""Each waiting row of a hand-written status table becomes exactly one record, or stays as it is for a reason that the
command names."""

from collections.abc import Iterator
from typing import Any

import pydantic
import pytest

from queue_store import DatabaseManager, IngestionStoppedError
from queue_store.moving_in.moving import move_in
from queue_store.moving_in.status_table import Columns, StatusTable
from tasks import flow
from tasks.authoring.registry import empty_registry
from tests.authoring.typed_payloads import handler_of
from tests.moving_in.conftest import SCHEMA, Importing

STATES = "CREATE TYPE the_other.state AS ENUM ('new', 'busy', 'done', 'moved')"
TABLE = """
    CREATE TABLE the_other.jobs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state the_other.state NOT NULL DEFAULT 'new',
        order_id integer, body jsonb, text_body text, urgency integer, due timestamptz, local_due timestamp, key text,
        customer integer)
"""
HERE = ("--flow", "invoice", "--status-column", "state", "--pending", "new")


@pytest.fixture
def jobs(importing: Importing) -> Importing:
    importing.query(STATES)
    importing.query(TABLE)
    return importing


def add(jobs: Importing, **columns: Any) -> None:
    names = ", ".join(columns)
    marks = ", ".join(["%s"] * len(columns))
    jobs.query(f"INSERT INTO jobs ({names}) VALUES ({marks})", *columns.values())  # noqa: S608


def test_a_row_is_its_payload_and_columns_say_the_rest(jobs: Importing) -> None:
    add(jobs, order_id=1, urgency=2, due="2040-01-31T00:00:00Z", key="order 1", customer=7)
    document = jobs.json(
        "table jobs", *HERE, "--columns", "order_id, text_body", "--priority", "urgency",
        "--scheduled-at", "due", "--dedup-key", "key", "--order-key", "customer",
    )  # fmt: skip
    assert document["moved"] == {"invoice": 1}
    assert jobs.records() == [("invoice", {"order_id": 1, "text_body": None}, 2, "order 1", "7", "jobs 1")]
    assert jobs.query("SELECT state::text FROM jobs") == [("moved",)]
    assert jobs.query("SELECT scheduled_at >= '2040-01-01' FROM processing_queue") == [(True,)]


@pytest.mark.parametrize("column", ["body", "text_body"])
def test_a_column_may_hold_the_payload(jobs: Importing, column: str) -> None:
    add(jobs, **{column: '{"order_id": 5}'})
    assert jobs.json("table jobs", *HERE, "--payload", column)["total"] == 1
    assert jobs.records()[0][1] == {"order_id": 5}


def test_without_more_words_the_payload_is_all_but_the_status(jobs: Importing) -> None:
    add(jobs, order_id=3)
    assert jobs.json("table jobs", *HERE)["total"] == 1
    payload = jobs.records()[0][1]
    assert (payload["id"], payload["order_id"], "state" in payload) == (1, 3, False)


def test_only_what_waits_is_moved_and_once(jobs: Importing) -> None:
    for state in ("new", "busy", "done", "new", "new"):
        add(jobs, state=state)
    assert jobs.json("table jobs", *HERE, "--batch-size", "2")["total"] == 3
    assert jobs.json("table jobs", *HERE)["total"] == 0
    states = jobs.query("SELECT state::text, count(*) FROM jobs GROUP BY 1 ORDER BY 1")
    assert states == [("busy", 1), ("done", 1), ("moved", 3)]


def test_what_cannot_be_moved_is_counted_by_reason(jobs: Importing) -> None:
    add(jobs, text_body="not JSON")
    add(jobs, text_body="{}", local_due="2040-01-01")
    add(jobs, text_body="{}", urgency=17)
    add(jobs, text_body="{}")
    document = jobs.json(
        "table jobs", *HERE, "--payload", "text_body", "--priority", "urgency", "--scheduled-at", "local_due",
        exit_code=1,
    )  # fmt: skip
    assert document["moved"] == {"invoice": 1}
    assert sorted(left["reason"] for left in document["left"]) == [
        "its payload is text that is not JSON",
        "its time is not an instant with a time zone",
        "priority: must be a whole number from 0 to 9, not 17",
    ]


class Order(pydantic.BaseModel):
    order_id: int


@pytest.fixture
def typed() -> Iterator[None]:
    with empty_registry():
        flow(handler_of(Order, print, "invoice"))
        yield


def test_a_row_that_does_not_fit_the_type_of_its_flow_stays(jobs: Importing, typed: None) -> None:
    add(jobs, order_id=1)
    add(jobs, urgency=1)
    document = jobs.json("table jobs", *HERE, "--columns", "order_id", exit_code=1)
    assert document["total"] == 1
    assert document["left"][0]["reason"].startswith("payload.order_id: ")


class StopsAfterOne(StatusTable):
    """Interrupts the command in its second batch, before the COMMIT."""

    batches = 0

    def mark_moved(self, cursor: Any, job_ids: Any) -> None:
        self.batches += 1
        super().mark_moved(cursor, job_ids)
        if self.batches == 2:
            raise KeyboardInterrupt


def test_each_batch_is_moved_as_a_whole_or_not_at_all(jobs: Importing, database: DatabaseManager) -> None:
    for number in range(5):
        add(jobs, order_id=number)
    source = StopsAfterOne("jobs", "invoice", Columns(status="state"), ["new"], "moved", SCHEMA)
    with pytest.raises(KeyboardInterrupt):
        move_in(database, source, actor="Olga", batch_size=2)
    assert (len(jobs.records()), jobs.query("SELECT count(*) FROM jobs WHERE state = 'moved'")) == (2, [(2,)])
    assert jobs.json("table jobs", *HERE)["total"] == 3
    assert sorted(row[1]["order_id"] for row in jobs.records()) == [0, 1, 2, 3, 4]


def test_stopped_ingestion_stops_the_import(jobs: Importing, database: DatabaseManager) -> None:
    add(jobs, urgency=1)
    jobs.query("UPDATE queue_control SET ingestion_stopped_at = now(), ingestion_stop_reason = 'x'")
    source = StatusTable("jobs", "invoice", Columns(status="state"), ["new"], "moved", SCHEMA)
    with pytest.raises(IngestionStoppedError):
        move_in(database, source, actor="Olga", batch_size=2)
    assert jobs.query("SELECT state::text FROM jobs") == [("new",)]


def test_it_asks_before_it_moves(jobs: Importing) -> None:
    add(jobs, urgency=1)
    result = jobs.command("table jobs", *HERE, exit_code=64)
    assert "pass --yes" in result.output
    assert "1 job would be moved." in result.output
    assert jobs.records() == []


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["table"], "name the table and one flow"),
        (["table", "jobs"], "name the table and one flow"),
        (["table", "jobs", "--flow", "a", "--flow", "b"], "name the table and one flow"),
        (["table", "jobs", "--flow", "a", "--moved", "pending"], "--moved must differ from --pending"),
        (["table", "jobs", "--flow", "a", "--payload", "b", "--columns", "c"], "--payload or --columns"),
        (["procrastinate", "jobs"], "leave out jobs"),
        (["procrastinate", "--flow", "invoice"], "--flow takes TASK=FLOW, not invoice"),
        (["pgqueuer", "--id-column", "number"], "--id-column is only for queuectl import table"),
        (["celery"], "'celery' is not one of"),
    ],
)
def test_wrong_words_are_refused(importing: Importing, words: list[str], problem: str) -> None:
    assert problem in importing.command(" ".join(words), exit_code=64).output


def test_a_column_that_is_not_there_is_named(jobs: Importing) -> None:
    result = jobs.command("table jobs", *HERE, "--priority", "urgencies", "--dry-run", exit_code=1)
    assert 'the table "the_other"."jobs" has no column urgencies' in result.output
