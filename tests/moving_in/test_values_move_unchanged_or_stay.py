"""No value changes on its way into a payload or a key: a job whose value cannot be kept stays where it is, and the
command names the place of that value."""

from decimal import Decimal
from typing import Any

import pytest

from queue_store import DatabaseManager
from queue_store.moving_in.moving import move_in
from queue_store.moving_in.status_table import Columns, StatusTable
from tests.moving_in.conftest import SCHEMA, Importing
from tests.moving_in.test_pgqueuer import Peer as PgQueuerPeer
from tests.moving_in.test_procrastinate import Peer, peer

__all__ = ["peer"]

WEI = 123456789012345678901
DIGITS = 10**120
DEEP = "[" * 102 + "]" * 102
ROWS = ("table jobs", "--flow", "invoice")


def left_of(document: Any) -> list[tuple[str, int]]:
    assert document["waiting"] == sum(left["count"] for left in document["left"])
    return [(left["reason"], left["count"]) for left in document["left"]]


TEXTS = [
    (f'{{"wei": {WEI}}}', "payload.wei: an integer beyond 64 bits: send it as text"),
    (f'{{"wei": {DIGITS}}}', "payload.wei: an integer of 121 digits, beyond 64 bits: send it as text"),
    (DEEP, "payload[0][0]"),
    ('{"a": 1e400}', "payload: cannot be decoded: number is infinity"),
    ('{"a": NaN, "b": 12345678901234567890}', "payload.a: nan is not a JSON number"),
    ("12345678901234567890 pickled", "its payload is "),
    ("", "its payload is "),
]


@pytest.mark.parametrize(("text", "reason"), TEXTS)
def test_a_text_that_a_record_cannot_hold_stays(importing: Importing, text: str, reason: str) -> None:
    PgQueuerPeer(importing.url).enqueue("invoice", text.encode())
    table(importing, "body text", text)
    for source in (("pgqueuer",), (*ROWS, "--payload", "body")):
        ((found, count),) = left_of(importing.json(*source, exit_code=1))
        assert (found.startswith(reason), count) == (True, 1), found
    assert importing.records() == []


def test_bytes_that_are_no_text_stay(importing: Importing) -> None:
    PgQueuerPeer(importing.url).enqueue("invoice", b"\xff 123456789012345678901")
    assert left_of(importing.json("pgqueuer", exit_code=1)) == [("its payload is not JSON", 1)]


def test_numbers_that_fit_move(importing: Importing) -> None:
    PgQueuerPeer(importing.url).enqueue("invoice", b'{"a": 18446744073709551615, "b": 1e20}')
    assert importing.json("pgqueuer")["total"] == 1
    assert importing.query("SELECT payload::text FROM processing_queue") == [
        ('{"a": 18446744073709551615, "b": 100000000000000000000.0}',)
    ]


def test_procrastinates_args_stay_as_they_are(importing: Importing, peer: Peer) -> None:
    peer.invoice.defer(wei=DIGITS)
    for arguments in ('{"a": 1e400}', DEEP):
        peer.invoice.defer()
        importing.query(
            "UPDATE procrastinate_jobs SET args = %s WHERE id = (SELECT max(id) FROM procrastinate_jobs)",
            arguments,
        )
    reasons = sorted(reason for reason, _ in left_of(importing.json("procrastinate", exit_code=1)))
    assert reasons[:2] == [
        "payload.a: an integer of 401 digits, beyond 64 bits: send it as text",
        "payload.wei: an integer of 121 digits, beyond 64 bits: send it as text",
    ]
    assert "nested deeper than 100 levels" in reasons[2]
    assert importing.records() == []


def table(importing: Importing, columns: str, *values: object) -> None:
    importing.query(
        f"CREATE TABLE {SCHEMA}.jobs (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" status text NOT NULL DEFAULT 'pending', {columns})"
    )
    names = ", ".join(column.split()[0] for column in columns.split(","))
    importing.query(f"INSERT INTO jobs ({names}) VALUES ({', '.join(['%s'] * len(values))})", *values)  # noqa: S608


@pytest.mark.parametrize("options", [[], ["--columns", "body"], ["--payload", "body"]])
@pytest.mark.parametrize("value", [f'{{"wei": {DIGITS}}}', '{"a": 1e400}', DEEP])
def test_a_jsonb_value_that_a_record_cannot_hold_stays(
    importing: Importing, value: str, options: list[str]
) -> None:
    table(importing, "body jsonb", value)
    ((reason, _),) = left_of(importing.json(*ROWS, *options, exit_code=1))
    assert reason.startswith("payload[0]" if options[:1] == ["--payload"] and value == DEEP else "payload.")
    assert importing.records() == []
    assert importing.query("SELECT status FROM jobs") == [("pending",)]


@pytest.mark.parametrize("value", ['{"a": "\\u0000"}', '{"a": "\\ud800"}', '"\\ud800"'])
@pytest.mark.parametrize(
    "options", [["--columns", "id,body"], ["--payload", "body"], ["--dedup-key", "body"]]
)
def test_a_json_value_that_jsonb_cannot_hold_stays(
    importing: Importing, value: str, options: list[str]
) -> None:
    table(importing, "body json", value)
    assert len(left_of(importing.json(*ROWS, *options, exit_code=1))) == 1
    assert importing.records() == []


def test_a_column_outside_of_the_payload_may_hold_anything(importing: Importing) -> None:
    table(importing, "order_id integer, body jsonb", 1, DEEP)
    assert importing.json(*ROWS, "--columns", "order_id")["total"] == 1
    assert importing.records()[0][1] == {"order_id": 1}


@pytest.mark.parametrize("kind", ["jsonb", "json", f"{SCHEMA}.document"])
def test_a_json_text_is_not_read_twice(importing: Importing, kind: str) -> None:
    importing.query(f"CREATE DOMAIN {SCHEMA}.document AS jsonb")
    table(importing, f"body {kind}", '"5"')
    assert importing.json(*ROWS, "--payload", "body")["total"] == 1
    assert importing.records()[0][1] == "5"


def test_long_keys_stay_apart(importing: Importing) -> None:
    table(importing, "key numeric", Decimal(DIGITS))
    importing.query(
        "INSERT INTO jobs (key) VALUES (%s), (%s)", Decimal(DIGITS + 1), "1234567890.1234567890123"
    )
    assert importing.json(*ROWS, "--columns", "id", "--dedup-key", "key")["total"] == 3
    assert [row[3] for row in importing.records()] == [
        str(DIGITS),
        str(DIGITS + 1),
        "1234567890.1234567890123",
    ]


def test_a_float_keeps_its_digits_under_any_settings_of_a_login(
    importing: Importing, database: DatabaseManager
) -> None:
    table(importing, "share double precision", 0.1 + 0.2)
    rounding = DatabaseManager(database.name, database.settings, session_settings={"extra_float_digits": "0"})
    source = StatusTable("jobs", "invoice", Columns(fields=("share",)), ["pending"], "moved", SCHEMA)
    assert move_in(rounding, source, actor="Olga", batch_size=10).total == 1
    rounding.dispose()
    assert importing.records()[0][1] == {"share": 0.1 + 0.2}
