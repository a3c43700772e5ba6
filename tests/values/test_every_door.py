"""A JSON value arrives at the handler unchanged, however it is enqueued, and comes back as the handler's result."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy.orm import Session

from queue_store import NewRecord, PayloadRejectedError, enqueue, enqueue_many
from tasks import enqueue_task as enqueue_module
from tasks.cli import main
from tests.support.flow_runs import Worker, running_worker
from tests.values.test_one_rule import ACCEPTED, REFUSED

Door = Callable[[Worker, Any], object]
TEXT = "žluťoučký kůň, 30 €, 漢字, 🐎, a\tb\\n\"'"
IN_JSON = {name: arrives for name, (given, arrives) in ACCEPTED.items()} | {"text": TEXT, TEXT: TEXT}
OBJECTS = {name: case[0] for name, case in ACCEPTED.items()} | {"text": TEXT, TEXT: TEXT}
ARRIVES = IN_JSON


def by_cursor(worker: Worker, payload: Any) -> None:
    with worker.services.database.transaction() as cursor:
        enqueue(cursor, "values", payload)


def by_session(worker: Worker, payload: Any) -> None:
    with Session(worker.services.database.engine) as session:
        enqueue(session, "values", payload)
        session.commit()


def many(worker: Worker, payload: Any) -> None:
    with worker.services.database.transaction() as cursor:
        enqueue_many(cursor, "values", [payload])


def many_replaced(worker: Worker, payload: Any) -> None:
    with worker.services.database.transaction() as cursor:
        enqueue(cursor, "values", {}, dedup_key=TEXT)
        enqueue_many(cursor, "values", [NewRecord(payload, dedup_key=TEXT)], on_duplicate="replace")


def as_jsonb_keeps_it(payload: Any) -> str:
    """Returns the payload as JSON text in which large floats end in `.0`. Without the `.0`, jsonb would store 1e20 as
    an integer of 21 digits."""
    large = {json.dumps(value): f"{value:.1f}" for value in payload.values() if is_large(value)}
    text = json.dumps(payload)
    for written, kept in large.items():
        text = text.replace(written, kept)
    return text


def is_large(value: object) -> bool:
    return isinstance(value, float) and abs(value) >= 2**53


def by_insert(worker: Worker, payload: Any) -> None:
    text = as_jsonb_keeps_it(payload)
    worker.query("INSERT INTO processing_queue (flow_name, payload) VALUES ('values', %(p)s::jsonb)", p=text)


def by_function(worker: Worker, payload: Any) -> None:
    worker.query("SELECT enqueue_record('values', %(p)s::jsonb)", p=as_jsonb_keeps_it(payload))


def by_message(worker: Worker, payload: Any) -> None:
    enqueue_module.enqueue.apply(args=["values", json.loads(json.dumps(payload))]).get()


def by_command(worker: Worker, payload: Any) -> None:
    file = Path("rows.jsonl")
    file.write_text(json.dumps(payload) + "\n")
    result = CliRunner().invoke(main, ["enqueue", "--flow", "values", str(file)])
    assert result.exit_code == 0, result.output + result.stderr


PYTHON: dict[str, Door] = {
    "cursor": by_cursor,
    "session": by_session,
    "many": many,
    "many, replaced": many_replaced,
}
JSON: dict[str, Door] = {
    "INSERT": by_insert,
    "enqueue_record": by_function,
    "message": by_message,
    "queuectl": by_command,
}


@pytest.fixture
def worker(clean_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)
    with running_worker(clean_database_url, monkeypatch, enqueue_by_message=("*",)) as worker:
        monkeypatch.setattr(enqueue_module, "worker_services", lambda: worker.services)
        yield worker


def seen_by_handler(worker: Worker, door: Door, payload: Any) -> list[Any]:
    seen: list[Any] = []

    def work(payload: Any) -> Any:
        seen.append(payload)
        return payload

    flow = worker.declare(work, name="values", max_retries=0)
    door(worker, payload)
    worker.run(flow)
    assert worker.statuses() == {"completed": 1}
    return seen


@pytest.mark.parametrize("door", [*PYTHON, *JSON])
def test_a_value_arrives_and_comes_back_unchanged(worker: Worker, door: str) -> None:
    given = OBJECTS if door in PYTHON else IN_JSON
    assert seen_by_handler(worker, (PYTHON | JSON)[door], given) == [ARRIVES]
    [(result,)] = worker.query("SELECT result FROM processing_queue")
    assert result == ARRIVES


@pytest.mark.parametrize("door", PYTHON)
def test_what_is_refused_is_refused_with_its_place(worker: Worker, door: str) -> None:
    worker.declare(lambda payload: None, name="values")
    for value in REFUSED.values():
        with pytest.raises(PayloadRejectedError, match=r"payload.items\[0\]"):
            PYTHON[door](worker, {"items": [value]})
    assert worker.statuses() == {}


@pytest.mark.parametrize(
    "setting", ["client_encoding = 'LATIN1'", "DateStyle = 'German'", "TimeZone = 'Asia/Kathmandu'"]
)
@pytest.mark.parametrize("door", [*PYTHON, *JSON])
def test_the_settings_of_a_login_change_no_value(
    worker: Worker, own_login: Callable[[str], None], door: str, setting: str
) -> None:
    own_login(setting)
    assert seen_by_handler(worker, (PYTHON | JSON)[door], {"text": TEXT}) == [{"text": TEXT}]


@pytest.fixture
def own_login(clean_database_url: str) -> Any:
    """Yields a function that changes a setting for the login's later sessions in this database."""
    changed: list[str] = []

    def change(setting: str) -> None:
        name = setting.split(" ", maxsplit=1)[0]
        changed.append(name)
        execute(clean_database_url, f"ALTER ROLE CURRENT_USER IN DATABASE {database} SET {setting}")

    [[database]] = execute(clean_database_url, "SELECT quote_ident(current_database())")
    yield change
    for name in changed:
        execute(clean_database_url, f"ALTER ROLE CURRENT_USER IN DATABASE {database} RESET {name}")


def execute(url: str, statement: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_a_float_that_jsonb_made_an_integer_fails_its_record_with_the_place(worker: Worker) -> None:
    flow = worker.declare(lambda payload: None, name="values", max_retries=3)
    worker.query("INSERT INTO processing_queue (flow_name, payload) VALUES ('values', '{\"a\": [1e20]}')")
    worker.run(flow)
    [(status, error)] = worker.query("SELECT status, error_message FROM processing_queue")
    assert status == "failed"
    assert "payload.a[0]" in error
